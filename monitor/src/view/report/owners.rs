//! Owners of addresses, from a `MaxMind` DB file with autonomous systems (`GeoLite2-ASN` and its like).

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use maxminddb::{MaxMindDbError, Reader, geoip2};
use monitor_core::record::Text;

/// Why a file of owners cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; --asn-db wants a MaxMind DB such as GeoLite2-ASN.mmdb", path.display())]
pub struct OwnersError {
    path: PathBuf,
    source: MaxMindDbError,
}

/// The file, in memory.
pub struct Owners(Reader<Vec<u8>>);

impl std::fmt::Debug for Owners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Owners").field(&self.0.metadata().database_type).finish()
    }
}

impl Owners {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self, OwnersError> {
        let read = Reader::open_readfile(path);
        read.map(Self).map_err(|source| OwnersError { path: path.to_owned(), source })
    }

    /// `AS15169 Google LLC`; `None` where the file knows nothing, as of private addresses.
    pub fn owner(&self, address: IpAddr) -> Option<String> {
        let asn = self.0.lookup(address).ok()?.decode::<geoip2::Asn<'_>>().ok()??;
        let number = asn.autonomous_system_number?;
        let name = asn.autonomous_system_organization.unwrap_or_default();
        // The file is somebody else's.
        Some(format!("AS{number} {}", Text::escaped(name.as_bytes())).trim_end().to_owned())
    }
}
