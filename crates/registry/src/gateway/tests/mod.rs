//! Whole exchanges over plain sockets: a test binds the gateway's sockets itself and pretends to be the sandbox.

mod connections;
mod exchanges;
mod faults;
mod inside;
mod keeping;
mod locked;
mod many;
mod places;
mod serving;
mod upstreams;
mod world;
