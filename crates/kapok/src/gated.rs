//! ADD goes through the same door as RUN: the rules of `network:` hold for it, and `mirrors:` take its upstreams' place.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use build::fetch::{Fetch, FetchError, Fetched};
use oci::lock::normalised_url;
use oci::record::Verdict;
use registry::gateway::gate::{Gate, Rules, Subject};
use registry::gateway::{Mirror, Place, places};
use registry::packages::{Address, Request, recognise};

use crate::clock;
use crate::settings::Settings;

/// Fetches what the gate lets through, from where the settings say.
pub struct GatedFetch<'a> {
    fetch: &'a dyn Fetch,
    gate: Rules,
    mirrors: Vec<Mirror>,
}

impl<'a> GatedFetch<'a> {
    /// By the settings.
    pub fn new(fetch: &'a dyn Fetch, settings: &Settings) -> GatedFetch<'a> {
        let mirrors = settings.network.mirrors.iter().map(|(_, mirror)| mirror.clone()).collect();
        GatedFetch { fetch, gate: settings.rules(clock::now()), mirrors }
    }

    fn permit(&self, url: &str) -> Result<(), FetchError> {
        permitted(url, self.gate.address("GET", url))
    }

    /// The places that take an address's place, once the gate has let it through.
    fn places(&self, url: &str) -> Result<Option<Vec<Place>>, FetchError> {
        self.permit(url)?;
        let artifact = recognise(&Request::get(url));
        let promised = artifact.digest;
        let subject = Subject { artifact: &artifact, url, published: None, promised };
        permitted(url, self.gate.artifact(&subject))?;
        Ok(Address::parse(url).and_then(|address| places(&self.mirrors, &address)))
    }

    fn ask_places(
        &self,
        url: &str,
        places: Vec<Place>,
        out: &mut dyn Write,
        limit: u64,
    ) -> Result<Fetched, FetchError> {
        let nowhere = || FetchError::Status { url: normalised_url(url), status: 404 };
        let mut last = Err(nowhere());
        for place in places {
            let mut counted = Counted { out, written: 0 };
            let answer = match place {
                Place::Url(other) => {
                    self.permit(&other)?;
                    self.fetch.fetch(&other, &mut counted, limit)
                }
                Place::File(path) => from_file(&path, &mut counted, limit, url),
            };
            // What a place that is reached does not have says more than one that is not reached.
            let says = answer.as_ref().err().is_none_or(FetchError::not_found);
            let (done, begun) = (answer.is_ok(), counted.written > 0);
            if says || begun || !matches!(&last, Err(error) if error.not_found()) {
                last = answer;
            }
            if done || begun {
                break;
            }
        }
        last
    }
}

impl Fetch for GatedFetch<'_> {
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError> {
        match self.places(url)? {
            Some(places) => self.ask_places(url, places, out, limit),
            None => self.fetch.fetch(url, out, limit),
        }
    }

    fn fetch_unless(
        &self,
        url: &str,
        etag: &str,
        out: &mut dyn Write,
        limit: u64,
    ) -> Result<Option<Fetched>, FetchError> {
        match self.places(url)? {
            // Places have tags of their own.
            Some(places) => self.ask_places(url, places, out, limit).map(Some),
            None => self.fetch.fetch_unless(url, etag, out, limit),
        }
    }
}

fn permitted(url: &str, verdict: Verdict) -> Result<(), FetchError> {
    match verdict {
        Verdict::Refused { rule, reason } => {
            Err(FetchError::Refused { url: normalised_url(url), reason: format!("{reason} ({rule})") })
        }
        _ => Ok(()),
    }
}

fn from_file(path: &Path, out: &mut dyn Write, limit: u64, url: &str) -> Result<Fetched, FetchError> {
    let sink = |source| FetchError::Sink { url: normalised_url(url), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if matches!(missing.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(FetchError::Status { url: format!("file://{}", path.display()), status: 404 });
        }
        Err(error) => return Err(sink(error)),
    };
    let length = file.metadata().map_err(sink)?.len();
    if length > limit {
        return Err(FetchError::TooLarge { url: normalised_url(url), limit });
    }
    let size = io::copy(&mut file, out).map_err(sink)?;
    Ok(Fetched { final_url: format!("file://{}", path.display()), size, ..Fetched::default() })
}

/// Counts what was written: once something was, another place is too late.
struct Counted<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has one URL.
    struct Only(&'static str);

    impl Fetch for Only {
        fn fetch(&self, url: &str, out: &mut dyn Write, _: u64) -> Result<Fetched, FetchError> {
            if url != self.0 {
                return Err(FetchError::Status { url: url.to_owned(), status: 404 });
            }
            out.write_all(b"body").map_err(|source| FetchError::Sink { url: url.to_owned(), source })?;
            Ok(Fetched { final_url: url.to_owned(), size: 4, ..Fetched::default() })
        }
    }

    fn fetched(gated: &GatedFetch<'_>, url: &str) -> String {
        let mut out = Vec::new();
        match gated.fetch(url, &mut out, 100) {
            Ok(fetched) => format!("{} from {}", String::from_utf8_lossy(&out), fetched.final_url),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn mirrors_and_rules_hold() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kept"), "kept").unwrap();
        let here = format!("file://{}", directory.path().display());
        let mirror =
            Mirror::new("https://a.example.org/x", &[here.clone(), "http://m.example.org/y".to_owned()]);
        let gate = Rules { deny: vec!["bad.example.org".parse().unwrap()], ..Rules::default() };
        let only = Only("http://m.example.org/y/f");
        let gated = GatedFetch { fetch: &only, gate, mirrors: vec![mirror.unwrap()] };
        assert_eq!(fetched(&gated, "https://a.example.org/x/f"), "body from http://m.example.org/y/f");
        assert_eq!(fetched(&gated, "https://a.example.org/x/kept"), format!("kept from {here}/kept"));
        assert!(fetched(&gated, "https://a.example.org/x/none").contains("answered 404"));
        assert!(fetched(&gated, "http://bad.example.org/f").contains("network.deny"));
    }
}
