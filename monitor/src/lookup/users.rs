//! Names of users (`passwd(5)`), as they were at the start.

use std::collections::HashMap;

use monitor_core::record::Text;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Users(HashMap<u32, Text>);

impl Users {
    pub(super) fn read() -> Self {
        Self::of(&std::fs::read("/etc/passwd").unwrap_or_default())
    }

    pub(super) fn of(passwd: &[u8]) -> Self {
        let mut users = HashMap::new();
        for line in passwd.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else { continue };
            let uid = std::str::from_utf8(uid).ok().and_then(|uid| uid.parse().ok());
            if let Some(uid) = uid {
                // The first of several has the number.
                users.entry(uid).or_insert_with(|| Text::new(name));
            }
        }
        Self(users)
    }

    /// The name of a user; the number of one that has none.
    pub(super) fn name(&self, uid: u32) -> Text {
        self.0.get(&uid).cloned().unwrap_or_else(|| Text::from(uid.to_string().as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_first_name_of_its_number_and_who_has_none_is_a_number() {
        let users =
            Users::of(b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nweb\x1b:x:33:33::/:\n");
        assert_eq!(users.name(0).as_str(), "root");
        assert_eq!(users.name(33).as_str(), "web\\x1b");
        assert_eq!(users.name(4711).as_str(), "4711");
    }
}
