//! Kapok: builds an organisation's container images, and can prove what went into each.

mod cli;
mod clock;
mod environment;
mod exit;
mod settings;
mod ui;

fn main() {}
