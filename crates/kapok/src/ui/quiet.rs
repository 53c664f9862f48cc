//! No progress: only the state is kept, for the summary and for messages.

use std::sync::Arc;

use build::engine::{Event, Events};

use super::View;
use super::progress::{Kept, Noter};
use super::state::State;

/// Shows nothing.
pub struct Quiet(pub Arc<Kept>);

impl Events for Quiet {
    fn event(&self, event: Event) {
        self.0.apply(&event);
    }
}

impl View for Quiet {
    fn finish(&self) -> State {
        self.0.state()
    }

    fn noter(&self) -> Noter {
        Box::new(|_| {})
    }
}
