//! The one asynchronous runtime of the process, which clients and servers share.

use std::future::Future;
use std::io;
use std::sync::Arc;

/// Threads that move bytes; the work on disks happens on others. Two saturate the network of a build machine.
const THREADS: usize = 2;

/// A running tokio runtime. Clones are the same one; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Runtime(Arc<tokio::runtime::Runtime>);

impl Runtime {
    /// Starts its threads. Programs that must fork while they have no threads do so before.
    pub fn start() -> io::Result<Runtime> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("registry").enable_io().enable_time();
        Ok(Runtime(Arc::new(builder.build()?)))
    }

    /// Waits for a future on the calling thread, which must not be one of the runtime's.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    pub(crate) fn handle(&self) -> &tokio::runtime::Handle {
        self.0.handle()
    }
}
