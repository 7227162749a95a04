//! Risks that traffic shows by itself: that they are there, never the secrets in them.
//!
//! Each looks only at what passes anyway: TLS by what was negotiated and by the server's certificate
//! where that is sent in clear text ([`tls()`]), clear-text protocols by the form of the commands that
//! carry credentials ([`Watch`]). A kind is told once a flow ([`Told`]).

mod cipher;
mod credentials;
mod tls;

#[cfg(test)]
mod tests;

pub use credentials::Watch;
pub use tls::tls;

use crate::{
    label::FindingKind,
    record::{FindingRecord, Identity, Text, Time},
};

/// A risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// What exactly; no secret.
    pub detail: Text,
}

impl Finding {
    /// The record of it.
    pub fn into_record(self, time: Time, identity: Identity) -> FindingRecord {
        FindingRecord { time, identity, kind: self.kind, detail: self.detail }
    }
}

/// The kinds that were told of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told(u16);

impl Told {
    /// Whether the kind is new; from now on it is not.
    pub const fn is_new(&mut self, kind: FindingKind) -> bool {
        let bit = 1 << kind.index();
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new
    }
}
