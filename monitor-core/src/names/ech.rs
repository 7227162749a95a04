//! Names that hellos show when the true one is encrypted (RFC 9849).

use crate::{lru::Lru, record::Text};

/// Most public names that are learnt; those not seen for longest are forgotten.
const LEARNT_MAX: u32 = 1024;

/// Public names of encrypted hellos: those configured, and those of DNS records.
///
/// A hello with the extension may still carry the true name: browsers send a dummy where they know no
/// key, and nobody can tell it by looking. So only a name that is known to be a public one is taken for
/// one.
#[derive(Debug)]
pub struct PublicNames {
    configured: Vec<Text>,
    learnt: Lru<u64, Text>,
    hasher: foldhash::fast::RandomState,
}

impl Default for PublicNames {
    fn default() -> Self {
        Self::new([Self::DEFAULT])
    }
}

impl PublicNames {
    /// The public name of the largest provider, known before any DNS record was seen.
    pub const DEFAULT: &str = "cloudflare-ech.com";

    /// Those that are configured; case does not matter.
    pub fn new<'a>(configured: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            configured: configured.into_iter().map(|name| lower(name.as_bytes())).collect(),
            learnt: Lru::new(LEARNT_MAX),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Others are configured from now on; what was learnt stays.
    pub fn configure<'a>(&mut self, configured: impl IntoIterator<Item = &'a str>) {
        self.configured = configured.into_iter().map(|name| lower(name.as_bytes())).collect();
    }

    /// Learns the public name of an `ECHConfig`.
    pub fn learn(&mut self, name: &[u8]) {
        let name = lower(name);
        let hash = self.hash(&name);
        if self.learnt.get(&hash).is_none() {
            self.learnt.insert(hash, name);
        }
    }

    /// Whether a hello that has the extension and shows this name hides another.
    pub fn contains(&self, name: &str) -> bool {
        let name = lower(name.as_bytes());
        self.configured.contains(&name) || self.learnt.peek(&self.hash(&name)) == Some(&name)
    }

    fn hash(&self, name: &Text) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, name)
    }
}

fn lower(name: &[u8]) -> Text {
    Text::new(&name.to_ascii_lowercase())
}
