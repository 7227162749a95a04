//! What settings name on this host: addresses, the web config, pins. Each is looked at as `weir run` does.

use super::{Outcome, Report};
use crate::app;
use crate::config::Config;
use crate::lock::PinLock;
use crate::source::ebpf;
use crate::web::{WebConfig, check};

impl Report {
    pub(super) fn web(&mut self, config: &Config) {
        if let Some(path) = &config.web_config_file {
            match WebConfig::read(path) {
                Ok(web) => {
                    let yes = |yes: bool| if yes { "yes" } else { "no" };
                    let (tls, password) = (yes(web.tls.is_some()), yes(!web.users.is_empty()));
                    self.add("web config", Outcome::Ok, format!("TLS: {tls}, passwords: {password}"));
                }
                Err(error) => self.add("web config", Outcome::Missing, error.to_string()),
            }
        }
        // All are held until the last was tried: one that is named twice is free once.
        let mut held = Vec::new();
        for address in &config.web_listen_address {
            let name = format!("address {address}");
            match check(address) {
                Ok(listener) => {
                    held.extend(listener);
                    self.add(name, Outcome::Ok, "free");
                }
                Err(error) => self.add(name, Outcome::Missing, error.to_string()),
            }
        }
    }

    pub(super) fn pins(&mut self, config: &Config) {
        let Some(directory) = &config.pin else { return };
        let found = PinLock::take(directory).map_err(|error| error.to_string()).and_then(|_lock| {
            ebpf::find_pins(&app::source_options(config)).map_err(|error| error.to_string())
        });
        let at = directory.display();
        match found {
            Ok(true) => {
                let detail = format!(
                    "{at}: pins of an earlier instance are there and count on; `weir run` goes on from them, `weir \
                     unpin --pin {at}` ends them"
                );
                self.add("pins", Outcome::Ok, detail);
            }
            Ok(false) => self.add("pins", Outcome::Ok, format!("{at}: none yet; `weir run` makes them")),
            Err(error) => self.add("pins", Outcome::Missing, error),
        }
    }
}
