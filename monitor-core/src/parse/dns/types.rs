//! Types of resource records by their names.

use std::fmt;

use crate::record::Text;

/// A type of resource records, or one that only queries use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordType(pub u16);

/// Names the types, each once, with its mnemonic in the IANA registry "Resource Record (RR) TYPEs".
macro_rules! types {
    ($($number:literal $name:literal $(= $alias:ident)?,)+) => {
        impl RecordType {
            $($(
                #[doc = concat!("`", $name, "`")]
                pub const $alias: Self = Self($number);
            )?)+

            /// The registered mnemonic; `None` for a number without one.
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)+
                    _ => None,
                }
            }

            /// A mnemonic as the registry has it; `None` for one that it has not.
            pub fn registered(mnemonic: &str) -> Option<&'static str> {
                match mnemonic {
                    $($name => Some($name),)+
                    _ => None,
                }
            }
        }
    };
}

types! {
    1 "A" = A, 2 "NS" = NS, 3 "MD", 4 "MF", 5 "CNAME" = CNAME, 6 "SOA" = SOA, 7 "MB", 8 "MG", 9 "MR",
    10 "NULL", 11 "WKS", 12 "PTR" = PTR, 13 "HINFO", 14 "MINFO", 15 "MX" = MX, 16 "TXT" = TXT, 17 "RP",
    18 "AFSDB", 19 "X25", 20 "ISDN", 21 "RT", 22 "NSAP", 23 "NSAP-PTR", 24 "SIG", 25 "KEY", 26 "PX",
    27 "GPOS", 28 "AAAA" = AAAA, 29 "LOC", 30 "NXT", 31 "EID", 32 "NIMLOC", 33 "SRV" = SRV, 34 "ATMA",
    35 "NAPTR", 36 "KX", 37 "CERT", 38 "A6", 39 "DNAME" = DNAME, 40 "SINK", 41 "OPT" = OPT, 42 "APL",
    43 "DS", 44 "SSHFP", 45 "IPSECKEY", 46 "RRSIG", 47 "NSEC", 48 "DNSKEY", 49 "DHCID", 50 "NSEC3",
    51 "NSEC3PARAM", 52 "TLSA", 53 "SMIMEA", 55 "HIP", 56 "NINFO", 57 "RKEY", 58 "TALINK", 59 "CDS",
    60 "CDNSKEY", 61 "OPENPGPKEY", 62 "CSYNC", 63 "ZONEMD", 64 "SVCB" = SVCB, 65 "HTTPS" = HTTPS,
    66 "DSYNC", 99 "SPF" = SPF, 100 "UINFO", 101 "UID", 102 "GID", 103 "UNSPEC", 104 "NID", 105 "L32",
    106 "L64", 107 "LP", 108 "EUI48", 109 "EUI64", 128 "NXNAME", 249 "TKEY", 250 "TSIG", 251 "IXFR",
    252 "AXFR", 253 "MAILB", 254 "MAILA", 255 "ANY", 256 "URI", 257 "CAA" = CAA, 258 "AVC", 259 "DOA",
    260 "AMTRELAY", 261 "RESINFO", 32768 "TA", 32769 "DLV",
}

impl fmt::Display for RecordType {
    /// The mnemonic, else the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(name) => f.pad(name),
            None => self.0.fmt(f),
        }
    }
}

impl From<RecordType> for Text {
    fn from(kind: RecordType) -> Self {
        match kind.mnemonic() {
            Some(name) => Self::from(name),
            None => Self::from(kind.0.to_string().as_str()),
        }
    }
}
