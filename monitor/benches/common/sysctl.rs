//! A setting of the kernel that is put back.

/// Puts the value back when it is dropped.
pub(crate) struct Sysctl {
    path: &'static str,
    before: String,
}

impl Sysctl {
    pub(crate) fn set(path: &'static str, value: &str) -> Self {
        let before = std::fs::read_to_string(path).expect("the setting");
        std::fs::write(path, value).expect("the setting");
        Self { path, before }
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        let _ = std::fs::write(self.path, self.before.trim());
    }
}
