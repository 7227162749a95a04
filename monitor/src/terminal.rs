//! What the terminal of this process is like.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

fn set(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether standard output is a terminal that can do more than lines.
pub fn is_capable() -> bool {
    io::stdout().is_terminal() && set("TERM").is_some_and(|term| term != "dumb")
}

/// Whether standard output shows colours: a terminal does, unless `NO_COLOR` is set (<https://no-color.org>), or
/// `plain`.
pub fn shows_colours(plain: bool) -> bool {
    is_capable() && !plain && set("NO_COLOR").is_none()
}

/// Columns of standard output: as many as the terminal says, else as `COLUMNS` says.
pub fn columns() -> Option<usize> {
    let out = io::stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
    let given = || set("COLUMNS")?.to_str()?.parse().ok();
    size.filter(|width| out.is_terminal() && *width > 0).or_else(given)
}

/// Prints to standard output; unlike `print!` it does not panic when the reader is gone.
pub fn print(text: &impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    out.flush()
}
