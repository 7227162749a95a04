//! Users of this host who may read what is served to it alone.

use std::fs;

/// Where names have numbers.
const NAMES: &str = "/etc/passwd";
const ROOT: u32 = 0;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LocalUsers {
    /// Empty: all may.
    numbers: Vec<u32>,
}

impl LocalUsers {
    /// Those of a list of names and numbers.
    ///
    /// # Errors
    /// One that is no user.
    pub(super) fn read(list: &[String]) -> Result<Self, String> {
        if list.is_empty() {
            return Ok(Self::default());
        }
        let names = fs::read_to_string(NAMES).unwrap_or_default();
        let numbers = list.iter().map(|user| number(user, &names).ok_or_else(|| user.clone()));
        Ok(Self { numbers: numbers.collect::<Result<_, _>>()? })
    }

    /// Whether there is anybody who may not.
    pub(super) const fn are_some(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// Whether one may whose number this is. Whose is not known may not.
    pub(super) fn admits(&self, user: Option<u32>) -> bool {
        !self.are_some() || user.is_some_and(|user| user == ROOT || self.numbers.contains(&user))
    }
}

/// The number of a user, or of the name before it (passwd(5)).
fn number(user: &str, names: &str) -> Option<u32> {
    let named = || {
        let mut fields = names.lines().map(|line| line.split(':'));
        fields.find_map(|mut fields| (fields.next()? == user).then(|| fields.nth(1)?.parse().ok())?)
    };
    user.parse().ok().or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_name_and_number_and_who_is_not_known_may_not() {
        let names = "root:x:0:0:root:/root:/bin/sh\nprometheus:x:112:118::/:/bin/false\nbroken\n";
        assert_eq!(number("prometheus", names), Some(112));
        assert_eq!(number("4711", names), Some(4711));
        assert_eq!((number("ann", names), number("broken", names)), (None, None));
        let all = LocalUsers::default();
        assert!(all.admits(None) && all.admits(Some(5)));
        let some = LocalUsers { numbers: vec![112] };
        assert!(some.admits(Some(112)) && some.admits(Some(0)));
        assert!(!some.admits(Some(113)) && !some.admits(None));
        assert_eq!(LocalUsers::read(&["no such user".to_owned()]), Err("no such user".to_owned()));
    }
}
