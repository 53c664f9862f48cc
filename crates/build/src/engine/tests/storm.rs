//! Projects of several images, built at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::schedule::{Budget, Work};

/// A project of a test's own: names and Dockerfiles, in whatever order.
struct Town<'a> {
    lab: &'a Lab,
    names: Vec<String>,
    requests: Vec<Request>,
    told: Mutex<Vec<(usize, Event)>>,
    /// How often the first tries of an image are said to have failed for want of a network.
    unlucky: BTreeMap<usize, u32>,
    tries: AtomicU32,
}

impl<'a> Town<'a> {
    fn new(lab: &'a Lab, images: &[(&str, &str)]) -> Town<'a> {
        let request = |(number, (name, dockerfile)): (usize, &(&str, &str))| Request {
            id: format!("{number:012x}"),
            name: (*name).to_owned(),
            tags: vec![name.parse().unwrap()],
            project: "/town".to_owned(),
            ..lab.request(dockerfile)
        };
        Town {
            lab,
            names: images.iter().map(|(name, _)| (*name).to_owned()).collect(),
            requests: images.iter().enumerate().map(request).collect(),
            told: Mutex::default(),
            unlucky: BTreeMap::new(),
            tries: AtomicU32::new(0),
        }
    }

    fn work(&self) -> Vec<StormImage> {
        let uses = |request: &Request, name: &str| {
            request.source.text.split_whitespace().any(|word| word.trim_start_matches("--from=") == name)
        };
        let needs = |request: &Request| {
            let found = self.names.iter().enumerate().filter(|(_, name)| uses(request, name));
            found.map(|(image, _)| image).collect()
        };
        let image = |(name, request): (&String, &Request)| StormImage {
            name: name.clone(),
            work: Work { needs: needs(request), millis: 10, ..Work::default() },
            retries: 2,
            timeout: None,
        };
        self.names.iter().zip(&self.requests).map(image).collect()
    }

    fn run(&self) -> Vec<OutcomeOf<Self>> {
        let images = self.work();
        let storm = Storm {
            images: &images,
            budget: Budget::jobs(2),
            pause: Duration::from_millis(1),
            cancel: Cancel::default(),
        };
        let ahead = storm.forecast();
        storm.run(self, &ahead)
    }

    fn states(&self) -> Vec<(State, Option<Reason>)> {
        self.run().iter().map(|outcome| (outcome.state, outcome.reason)).collect()
    }
}

struct Named<'a>(usize, &'a Mutex<Vec<(usize, Event)>>);

impl Events for Named<'_> {
    fn event(&self, event: Event) {
        self.1.lock().unwrap().push((self.0, event));
    }
}

impl Workshop for Town<'_> {
    type Made = Built;
    type Failure = BuildError;

    fn find(&self, _of: usize, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    fn build(&self, seat: &Seat<'_>) -> Result<Built, (Verdict, BuildError)> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if self.unlucky.get(&seat.image).is_some_and(|times| seat.attempt <= *times) {
            let verdict =
                Verdict { state: State::Failed, reason: Reason::PullBuilderImageFailed, passing: true };
            return Err((verdict, BuildError::Thread(std::io::ErrorKind::TimedOut.into())));
        }
        let events = Named(seat.image, &self.told);
        let doors = self.lab.doors(&events, seat.cancel.clone());
        build_among(&self.requests[seat.image], &doors, seat).map_err(|error| (Verdict::of(&error), error))
    }

    fn tell(&self, _image: usize, _change: Change<'_, Self>) {}
}

const COMPLETE: (State, Option<Reason>) = (State::Complete, None);

#[test]
fn images_are_built_on_each_other_whatever_their_order() {
    let lab = Lab::new(&[("a", "of a"), ("b", "of b"), ("c", "of c")]);
    let town = Town::new(
        &lab,
        &[
            (
                "top",
                "FROM scratch AS own\nCOPY c /c\nFROM middle\nCOPY --from=side /b /from-side\nCOPY --from=own /c /c\n",
            ),
            ("middle", "FROM base\nENV LEVEL=middle\nCOPY a /again\n"),
            ("side", "FROM base\nCOPY b /b\n"),
            ("base", "FROM scratch\nENV LEVEL=base\nONBUILD COPY c /by-trigger\nCOPY a /a\n"),
        ],
    );
    let outcomes = town.run();
    assert!(outcomes.iter().all(|outcome| outcome.state == State::Complete));
    let top = outcomes[0].made.as_ref().unwrap();
    assert_eq!(lab.read(top, "c"), "of c");
    assert_eq!(top.platforms[0].layers.len(), 5, "base, its trigger, middle, and two of its own");
    let config = lab.store.image(&top.image.digest, &oci::Platform::linux("amd64")).unwrap().unwrap();
    assert!(config.config.value().config.env.contains(&"LEVEL=middle".to_owned()));
    assert_eq!(top.images.iter().filter_map(|used| used.project).collect::<Vec<_>>(), [1, 2]);

    // One after the other, as docker would build them, the images are the same ones.
    for name in ["base", "side", "middle", "top"] {
        let image = town.names.iter().position(|known| known == name).unwrap();
        let request = Request { no_cache: true, tags: Vec::new(), ..town.requests[image].clone() };
        let alone = lab.build_request(&request, &NoEvents).unwrap();
        assert_eq!(alone.image, outcomes[image].made.as_ref().unwrap().image, "{name}");
    }
}

#[test]
fn a_failure_stops_only_what_stands_on_it() {
    let lab = Lab::new(&[("a", "a")]);
    let town = Town::new(
        &lab,
        &[
            ("base", "FROM scratch\nCOPY a /\n"),
            ("broken", "FROM base\nCOPY missing /\n"),
            ("on-broken", "FROM broken\nCOPY a /x\n"),
            ("far", "FROM scratch\nCOPY a /y\nCOPY --from=on-broken /x /x\n"),
            ("nonsense", "FROM base\nCOPPY a /\n"),
            ("on-nonsense", "FROM nonsense\n"),
            ("well", "FROM base\nCOPY a /z\n"),
        ],
    );
    let dependency = (State::Cancelled, Some(Reason::DependencyFailed));
    assert_eq!(
        town.states(),
        [
            COMPLETE,
            (State::Failed, Some(Reason::DockerBuildFailed)),
            dependency,
            dependency,
            (State::Failed, Some(Reason::ManageDockerfileFailed)),
            dependency,
            COMPLETE,
        ]
    );
    let tag = |name: &str| lab.store.resolve(name).unwrap().is_some();
    assert!(tag("well") && !tag("broken") && !tag("on-broken") && !tag("far"));
}

#[test]
fn what_may_pass_is_tried_again_and_others_wait_for_it() {
    let lab = Lab::new(&[("a", "a")]);
    let images = [("base", "FROM scratch\nCOPY a /\n"), ("app", "FROM base\nCOPY a /x\n")];
    let mut town = Town::new(&lab, &images);
    town.unlucky = BTreeMap::from([(0, 2)]);
    let outcomes = town.run();
    assert_eq!((outcomes[0].state, outcomes[0].attempts), (State::Complete, 3));
    assert_eq!((outcomes[1].state, outcomes[1].attempts), (State::Complete, 1));
    town.unlucky = BTreeMap::from([(0, 9)]);
    town.tries = AtomicU32::new(0);
    let given_up = (State::Failed, Some(Reason::PullBuilderImageFailed));
    assert_eq!(town.states(), [given_up, (State::Cancelled, Some(Reason::DependencyFailed))]);
    assert_eq!(town.tries.into_inner(), 4, "three tries, and one of the image on it");
}

#[test]
fn a_circle_ends() {
    let lab = Lab::new(&[("a", "a")]);
    let town = Town::new(
        &lab,
        &[("one", "FROM two\n"), ("two", "FROM one\n"), ("three", "FROM scratch\nCOPY a /\n")],
    );
    let states = town.states();
    assert_eq!(states[2], COMPLETE);
    assert!(states[..2].iter().all(|(state, _)| *state != State::Complete));
}

#[test]
fn a_step_that_two_images_have_runs_once() {
    let lab = Lab::new(&[("a", "a")]);
    let town = Town::new(
        &lab,
        &[("one", "FROM scratch\nCOPY a /same\n"), ("two", "FROM scratch\nCOPY a /same\nENV X=1\n")],
    );
    assert_eq!(town.states(), [COMPLETE, COMPLETE]);
    let told = town.told.lock().unwrap();
    let count = |kind: fn(&Event) -> bool| told.iter().filter(|(_, event)| kind(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Finished { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::Cached { .. })), 1);
}

#[test]
fn nothing_changed_means_nothing_runs_and_a_base_of_the_same_content_changes_nothing() {
    let lab = Lab::new(&[("a", "a"), ("note", "1")]);
    let images = [
        ("base", "FROM scratch\nCOPY a /\n"),
        ("app", "FROM base\nCOPY --from=tools /note /\n"),
        ("tools", "FROM scratch\nCOPY note /note\n"),
    ];
    let first = Town::new(&lab, &images);
    let first: Vec<_> = first.run().into_iter().map(|outcome| outcome.made.unwrap().image).collect();
    // The base is made in another way, of the same content.
    let same = Town::new(
        &lab,
        &[("base", "FROM scratch AS x\nCOPY a /\nFROM scratch\nCOPY --from=x /a /\n"), images[1], images[2]],
    );
    let outcomes = same.run();
    let app = outcomes[1].made.as_ref().unwrap();
    assert_eq!(app.report.counts(), (0, 1));
    let again = Town::new(&lab, &images).run();
    let again: Vec<_> = again.into_iter().map(|outcome| outcome.made.unwrap()).collect();
    assert!(again.iter().all(|built| built.report.counts().0 == 0));
    assert_eq!(again.iter().map(|built| built.image.clone()).collect::<Vec<_>>(), first);
}

#[test]
fn a_failing_test_leaves_the_last_good_name() {
    let lab = Lab::new(&[("a", "good")]);
    let images =
        [("base", "FROM scratch\nENV GREETING=hello\nCOPY a /\n"), ("app", "FROM base\nCOPY a /b\n")];
    let with = |wanted: &str, kind: CheckKind| {
        let mut town = Town::new(&lab, &images);
        let file = CheckKind::File {
            path: "/a".to_owned(),
            exists: true,
            mode: Some(0o644),
            owner: Some("0:0".to_owned()),
            contains: vec![Pattern::new(wanted).unwrap()],
        };
        let check = |kind| Check { name: "greets".to_owned(), kind };
        town.requests[0].finishing.checks = vec![check(file), check(kind)];
        town
    };
    let env = || CheckKind::Env("GREETING".to_owned(), "hello".to_owned());
    let good = with("/^good$/", env());
    assert_eq!(good.states(), [COMPLETE, COMPLETE]);
    let named = lab.store.resolve("base").unwrap();
    std::fs::write(lab.context.path().join("a"), "bad").unwrap();
    let bad = with("good", env());
    let failed = (State::Failed, Some(Reason::TestFailed));
    assert_eq!(bad.states(), [failed, (State::Cancelled, Some(Reason::DependencyFailed))]);
    assert_eq!(lab.store.resolve("base").unwrap(), named);
    let wrong = [
        CheckKind::Env("GREETING".to_owned(), "bye".to_owned()),
        CheckKind::Env("NOBODY".to_owned(), String::new()),
        CheckKind::User("app".to_owned()),
        CheckKind::Size(2),
    ];
    for kind in wrong {
        assert_eq!(with("bad", kind.clone()).states()[0], failed, "{kind:?}");
    }
    assert_eq!(with("bad", CheckKind::User(String::new())).states(), [COMPLETE, COMPLETE]);
    // What held for an image holds for the same image again.
    let again = with("bad", CheckKind::User(String::new()));
    assert_eq!(again.states(), [COMPLETE, COMPLETE]);
    let told = again.told.into_inner().unwrap();
    let tested = told.iter().filter_map(|(_, event)| match event {
        Event::Tested { cached, .. } => Some(*cached),
        _ => None,
    });
    assert_eq!(tested.collect::<Vec<_>>(), [true, true]);
}

#[test]
fn certificates_are_one_last_layer_that_nobody_inherits() {
    const BUNDLE: &str = "-----BEGIN CERTIFICATE-----\nMAEA\n-----END CERTIFICATE-----\n";
    let lab = Lab::new(&[("bundle", BUNDLE), ("a", "a")]);
    let images = [
        ("base", "FROM scratch\nCOPY bundle /etc/ssl/certs/ca-certificates.crt\n"),
        ("app", "FROM base\nCOPY a /usr/local/share/ca-certificates/\n"),
        ("bare", "FROM scratch\nCOPY a /\n"),
    ];
    let with = |authorities: &str| {
        let mut town = Town::new(&lab, &images);
        town.requests.iter_mut().for_each(|request| request.finishing.authorities = authorities.into());
        let outcomes = town.run();
        outcomes.into_iter().map(|outcome| outcome.made.unwrap()).collect::<Vec<_>>()
    };
    let own = "-----BEGIN CERTIFICATE-----\nMAEB\n-----END CERTIFICATE-----\n";
    let (plain, first) = (with(""), with(own));
    let diff_ids = |built: &Built| {
        let image = lab.store.image(&built.image.digest, &oci::Platform::linux("amd64")).unwrap().unwrap();
        let config = image.config.value().clone();
        let layers = config.history.iter().filter(|line| !line.empty_layer).count();
        assert_eq!(layers, config.rootfs.diff_ids.len());
        config.rootfs.diff_ids
    };
    for (before, after) in plain.iter().zip(&first).take(2) {
        let (before_ids, after_ids) = (diff_ids(before), diff_ids(after));
        assert_eq!(before_ids, after_ids[..before_ids.len()]);
        assert_eq!(after_ids.len(), before_ids.len() + 1);
        assert_eq!(after.platforms[0].plain, before.image.digest);
        assert_eq!(after.report.counts().0, 0, "no step runs again");
    }
    assert_eq!(first[2].image, plain[2].image, "an image without bundles is left as it is");
    let layers = lab.store.image(&first[1].image.digest, &oci::Platform::linux("amd64")).unwrap().unwrap();
    let last =
        lab.store.layer_by_blob(&layers.manifest.value().layers.last().unwrap().digest).unwrap().unwrap();
    let last = lab.store.layer(&last.id).unwrap().unwrap();
    let read = |path: &str| std::fs::read_to_string(last.directory.join(path)).unwrap();
    assert_eq!(read("etc/ssl/certs/ca-certificates.crt"), format!("{BUNDLE}{own}"));
    assert_eq!(read("usr/local/share/ca-certificates/organisation-1.crt"), own);
    let second = with(&format!("{own}-----BEGIN CERTIFICATE-----\nMAEC\n-----END CERTIFICATE-----\n"));
    assert!(second.iter().all(|built| built.report.counts().0 == 0));
    assert_ne!(second[1].image, first[1].image);
    assert_eq!(with(own)[1].image, first[1].image);
}
