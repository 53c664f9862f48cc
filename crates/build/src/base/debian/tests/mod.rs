//! Assembling from archives that were made for the purpose, and from the machine's own.

mod archive;
mod hostile;
mod resolve;
mod signature;
mod synthetic;
