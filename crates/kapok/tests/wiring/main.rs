//! The real program, one to three tests a command: what is wired to what. Behaviour is tested beside the code.

mod build;
mod check;
mod environment;
mod graph;
mod house;
mod images;
mod judged;
mod policies;
mod project;
mod registry;
mod run;
mod sharing;
mod ssh;
mod status;
mod usage;
mod wrong;
