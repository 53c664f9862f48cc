//! The terminal: the only room that writes to it. stdout is data, stderr is talk.

pub mod format;
pub mod json;
pub mod line;
pub mod live;
pub mod painter;
pub mod plain;
pub mod progress;
pub mod quiet;
pub mod state;
pub mod storm;
pub mod summary;
pub mod table;
pub mod terminal;
pub mod text;

pub use progress::{View, transfers, view};
pub use terminal::Terminal;
