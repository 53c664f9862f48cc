//! Whole exchanges over plain sockets: a test binds the gateway's sockets itself and pretends to be the sandbox.

mod exchanges;
mod world;
