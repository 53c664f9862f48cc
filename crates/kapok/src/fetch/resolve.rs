//! Name resolution, remembered for as long as a command runs.
//!
//! Eight transfers that begin at once ask for the same name eight times at once, which some resolvers answer by
//! dropping questions: the stub then waits five seconds before it asks again. So the first question is asked alone, and
//! the others wait for its answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer is used: a command that runs for hours notices that a mirror has moved.
const REMEMBERED: Duration = Duration::from_secs(60);

/// An answer, locked while it is being asked for.
type Answer = Arc<Mutex<Option<(Instant, ResolvedSocketAddrs)>>>;

/// Asks once for each name.
#[derive(Default)]
pub struct Remembering {
    resolver: DefaultResolver,
    answers: Mutex<HashMap<String, Answer>>,
}

impl fmt::Debug for Remembering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembering").finish_non_exhaustive()
    }
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map_or("", |name| name.as_str())
        );
        let answer =
            Arc::clone(self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default());
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, known)) = &*answer
            && when.elapsed() < REMEMBERED
        {
            let mut addresses = self.resolver.empty();
            known.iter().for_each(|address| addresses.push(*address));
            return Ok(addresses);
        }
        let found = self.resolver.resolve(uri, config, timeout)?;
        let mut kept = self.resolver.empty();
        found.iter().for_each(|address| kept.push(*address));
        *answer = Some((Instant::now(), kept));
        Ok(found)
    }
}
