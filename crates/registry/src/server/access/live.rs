//! Access that may change while a server runs.

use std::sync::{Arc, PoisonError, RwLock};

use super::Access;

/// What holds now. Whoever has the other handle may replace it: the next request goes by what is new.
#[derive(Debug, Default)]
pub struct LiveAccess(RwLock<Arc<Access>>);

impl LiveAccess {
    /// What holds until something else does.
    pub fn new(access: Access) -> LiveAccess {
        LiveAccess(RwLock::new(Arc::new(access)))
    }

    /// Passwords, tokens and rights from now on. Tokens that the server made for users before hold until they end.
    pub fn replace(&self, access: Access) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    /// What holds now.
    pub fn current(&self) -> Arc<Access> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
