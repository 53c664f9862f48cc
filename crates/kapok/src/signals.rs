//! Interrupts: the first asks the work to stop, the second ends the process.

use build::engine::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// From now on, the first signal cancels and the second ends the process at once; the spawner then cleans up.
///
/// This starts a thread: the spawner must have been forked before.
pub fn watch(cancel: Cancel, note: impl Fn(&str) + Send + 'static) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let body = move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(Exit::Interrupted.code().into());
            }
            if signal == SIGINT {
                note("stopping; press Ctrl-C again to stop at once");
            }
            cancel.cancel();
        }
    };
    // Without the thread, signals have no effect but the one that the kernel gives them.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(body);
}
