//! The config file that packages bring: every setting with what it means and its default, in comments.

use std::fmt::Write as _;

use super::error::ConfigError;
use super::layers::Layers;
use super::settings::Config;

/// Columns of a comment.
const WIDTH: usize = 110;

const HEAD: &str = "\
# Settings of Weir. Every line is a comment with the default: take the # away to set another value.
# Flags and environment variables of the same names win over this file; `weir config` prints what holds, and
# `systemctl reload weir` reads it again. Written by `weir documents`.
";

/// A config file in which nothing is set and everything stands.
///
/// # Errors
/// When a default is none, which tests exclude.
pub fn sample() -> Result<String, ConfigError> {
    let (_, effective) = Config::read(&Layers::default())?;
    let mut text = HEAD.to_owned();
    for effective in effective {
        let setting = effective.setting;
        text.push('\n');
        wrap(&mut text, setting.help);
        // Writing to a string cannot fail.
        let _ = match &effective.value {
            toml::Value::String(value) if value.is_empty() => {
                writeln!(text, "# {}; by default none:\n#{} = \"\"", setting.value_name, setting.key)
            }
            value => writeln!(text, "#{} = {value}", setting.key),
        };
    }
    Ok(text)
}

/// Adds a comment in lines of at most [`WIDTH`] columns, as far as words allow.
fn wrap(text: &mut String, comment: &str) {
    let mut column = 0;
    for word in comment.split_whitespace() {
        if column > 0 && column + 1 + word.len() <= WIDTH {
            text.push(' ');
            column += 1;
        } else {
            text.push_str(if column == 0 { "# " } else { "\n# " });
            column = 2;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn the_sample_sets_nothing_and_names_every_setting_with_its_default() {
        let sample = sample().unwrap();
        let nothing = Config::of_file(Path::new("sample"), "").unwrap();
        assert_eq!(Config::of_file(Path::new("sample"), &sample).unwrap(), nothing);
        // With every line of a setting taken for what it says, it means the same: these are the defaults.
        let set: Vec<&str> = sample.lines().filter_map(|line| line.strip_prefix('#')).collect();
        let set: Vec<&str> = set.into_iter().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(set.len(), SETTINGS.len());
        assert!(set.iter().zip(SETTINGS).all(|(line, setting)| line.starts_with(setting.key)));
        assert_eq!(Config::of_file(Path::new("sample"), &set.join("\n")).unwrap(), nothing);
    }

    #[test]
    fn comments_are_wrapped_between_words() {
        let mut text = String::new();
        wrap(&mut text, &"word ".repeat(60));
        assert!(
            text.lines().count() == 3 && text.lines().all(|l| l.len() <= WIDTH && l.starts_with("# word"))
        );
    }
}
