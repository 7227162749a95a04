//! What people who watch want to know: the last minutes and the last hour, in bounded memory.

mod window;

pub use window::Window;
