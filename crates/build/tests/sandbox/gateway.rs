//! RUNs of whole builds with a gateway that answers everything alike: what is recorded, refused and left behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use build::copy::GitError;
use build::engine::{self, BuildError, Built, Cancel, Doors, Event, Events, Git, Keep, Request, StepError};
use build::fetch::{Fetch, FetchError, Fetched};
use build::network::{Gateway, GatewayError, GatewaySockets, Served, StepGateway, StepNetwork};
use build::plan::git::GitReference;
use build::plan::{Network, Permissions};
use oci::layer::OverlayForm;
use oci::record::{Intake, Record, Verdict};
use oci::store::Store;

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("gateway::intakes_are_in_the_record_and_survive", intakes_are_in_the_record_and_survive),
    ("gateway::a_refusal_fails_a_step_that_ended_well", a_refusal_fails_a_step_that_ended_well),
    ("gateway::a_command_that_failed_names_what_it_could_not_reach", a_failure_names_what_was_not_reached),
    ("gateway::nothing_of_it_stays_in_the_layer", nothing_of_it_stays_in_the_layer),
    ("gateway::what_cannot_be_taken_out_fails_the_step", what_cannot_be_taken_out_fails_the_step),
    ("gateway::a_step_without_it_is_as_before", a_step_without_it_is_as_before),
    ("gateway::empty_caches_leave_nothing_unobserved", empty_caches_leave_nothing_unobserved),
];

/// A certificate that nobody trusts, for the tests of this file.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBgzCCASmgAwIBAgIUGXdKxxKxqG7ulvmntDzfwrvUHSgwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLb2Ygb25lIHN0ZXAwIBcNMjYxMTIxMTQzMTEzWhgPMjEyNjEw
MjgxNDMxMTNaMBYxFDASBgNVBAMMC29mIG9uZSBzdGVwMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEMi/IpSUroRlnddKQYt8rb6FGn+ePb0dv6tsAEjDkZqO0F91E
AXbfo5rDLSeMkCcoXzQGsGaBgVZZY9/+9Gh8AqNTMFEwHQYDVR0OBBYEFGTdppOv
6KVQRYJlbAZPpfIR47YSMB8GA1UdIwQYMBaAFGTdppOv6KVQRYJlbAZPpfIR47YS
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAPFGXlrj6BoBB7s6
N9efBdFXFawZTgi/V3zeA0k5lwt/AiBgLbAtfDFqSJmYz1E/ETEKkxWG3nM48vd8
Az14f7/8pg==
-----END CERTIFICATE-----
";

/// Another one.
const ORGANISATION: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkTCCATegAwIBAgIURHblmpsZfspH8IfRPRHso70IQ6AwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSb2YgYW4gb3JnYW5pc2F0aW9uMCAXDTI2MTEyMTE0MzExM1oY
DzIxMjYxMDI4MTQzMTEzWjAdMRswGQYDVQQDDBJvZiBhbiBvcmdhbmlzYXRpb24w
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARi4Bcx48DsGjpbSCH6SXQm9KvYhh3F
Pq6YlpZhaCprxzF2wh7dlYOLMiEaNjBGhNYRKNWXL3D4wSeUDBoZHHwYo1MwUTAd
BgNVHQ4EFgQUMJigbmnAKS0DULz/IEIleIiEd3AwHwYDVR0jBBgwFoAUMJigbmnA
KS0DULz/IEIleIiEd3AwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBF
AiEAxcj2pwqSqzIoeQXnKXOrHJJ5evrWWMZo+A2uPEk5ja8CIFtOb5p0wGxQnJFA
QX45xvmLJsHKBCPehjLcBm0+XYNa
-----END CERTIFICATE-----
";

/// Says what it is asked to say, and notes every connection.
#[derive(Default)]
struct Everywhere {
    verdict: Verdict,
    lines: Vec<&'static str>,
    opened: Mutex<Vec<(String, usize)>>,
}

struct OfStep {
    verdict: Verdict,
    connections: Arc<Mutex<Vec<Intake>>>,
}

impl Gateway for Everywhere {
    fn policy(&self) -> String {
        format!("{:?}", self.verdict)
    }

    fn trusted(&self) -> &[u8] {
        ORGANISATION.as_bytes()
    }

    fn open(&self, step: &StepNetwork<'_>) -> Result<Box<dyn StepGateway>, GatewayError> {
        self.opened.lock().expect("a list").push((step.name.to_owned(), step.line));
        for line in &self.lines {
            (step.say)(line);
        }
        Ok(Box::new(OfStep { verdict: self.verdict.clone(), connections: Arc::default() }))
    }
}

impl StepGateway for OfStep {
    fn authority(&self) -> &[u8] {
        AUTHORITY.as_bytes()
    }

    fn serve(&mut self, sockets: GatewaySockets) -> Result<(), GatewayError> {
        rustix::io::ioctl_fionbio(&sockets.tcp4, false).expect("a mode");
        let listener = TcpListener::from(sockets.tcp4);
        let (connections, verdict) = (self.connections.clone(), self.verdict.clone());
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let meant = socket2::SockRef::from(&stream).original_dst_v4().expect("an address");
                let url = format!("tcp://{}", meant.as_socket().expect("an address"));
                let intake = Intake { url, size: 6, verdict: verdict.clone(), ..Intake::default() };
                connections.lock().expect("a list").push(intake);
                let _ = stream.write_all(b"hello\n");
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        Ok(())
    }

    fn finish(self: Box<Self>) -> Served {
        let intakes = std::mem::take(&mut *self.connections.lock().expect("a list"));
        Served { intakes, unobserved: vec!["tls:example.org".to_owned()], warnings: Vec::new() }
    }
}

struct Nothing;

impl Fetch for Nothing {
    fn fetch(&self, url: &str, _: &mut dyn Write, _: u64) -> Result<Fetched, FetchError> {
        Err(FetchError::Status { url: url.to_owned(), status: 404 })
    }
}

impl Git for Nothing {
    fn fetch(&self, reference: &GitReference, _: bool, _: &Path) -> Result<String, GitError> {
        panic!("nobody asks for {reference:?}")
    }
}

/// What the steps of a build said.
#[derive(Default)]
struct Heard(Mutex<Vec<u8>>);

impl Events for Heard {
    fn event(&self, event: Event) {
        if let Event::Output { bytes, .. } = event {
            self.0.lock().expect("a list").extend(bytes);
        }
    }
}

/// A store, and a context that holds the tests' root file system.
struct House<'a> {
    lab: &'a Lab,
    store: Store,
    place: PathBuf,
}

struct Outcome {
    built: Result<Built, BuildError>,
    output: String,
}

impl Outcome {
    fn built(&self) -> &Built {
        self.built.as_ref().unwrap_or_else(|error| panic!("{error:?}\n{}", self.output))
    }

    fn cause(&self) -> &StepError {
        match &self.built {
            Err(BuildError::Step(failure)) => &failure.cause,
            other => panic!("{other:?}\n{}", self.output),
        }
    }
}

impl<'a> House<'a> {
    fn new(lab: &'a Lab) -> House<'a> {
        let place = lab.directory();
        let form = if lab.is_root() { OverlayForm::Trusted } else { OverlayForm::User };
        let store = Store::open(&place.join("store"), form).expect("a store");
        House { lab, store, place }
    }

    fn request(&self, dockerfile: &str) -> Request {
        Request {
            id: "0123456789ab".to_owned(),
            name: "test".to_owned(),
            started: 0,
            source: dockerfile::Source::new("Dockerfile", format!("FROM scratch\nCOPY . /\n{dockerfile}\n")),
            context: Some(self.lab.root.clone()),
            ignore: None,
            named_contexts: BTreeMap::new(),
            named_directories: BTreeMap::new(),
            target: None,
            platforms: Vec::new(),
            build_platform: oci::Platform::host(),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            from_override: None,
            last_from_override: None,
            stage_env: Vec::new(),
            tags: Vec::new(),
            no_cache: false,
            pull: false,
            network: Network::Default,
            permissions: Permissions::default(),
            resolv_conf: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            ssh: BTreeMap::new(),
            limits: Default::default(),
            compression: oci::layer::Compression::None,
            rules: Default::default(),
            epoch: Some(1_000_000_000),
            jobs: 2,
            twice: false,
            keep: Keep::default(),
            pack_all: false,
            finishing: Default::default(),
            foresee: false,
            project: String::new(),
            empty_caches: false,
            overruled: None,
        }
    }

    fn build(&self, request: &Request, gateway: Option<&dyn Gateway>) -> Outcome {
        let heard = Heard::default();
        let doors = Doors {
            store: &self.store,
            spawner: Some(&self.lab.spawner),
            fetch: &Nothing,
            git: &Nothing,
            upstream: None,
            cache: None,
            layers: None,
            gateway,
            judge: None,
            materials: None,
            events: &heard,
            cancel: Cancel::default(),
        };
        let built = engine::build(request, &doors);
        let output = heard.0.into_inner().expect("a list");
        Outcome { built, output: String::from_utf8_lossy(&output).into_owned() }
    }

    fn run(&self, script: &str, gateway: &dyn Gateway) -> Outcome {
        self.build(&self.request(&format!("RUN {script}")), Some(gateway))
    }

    /// The record of the last step.
    fn record(&self, outcome: &Outcome) -> Record {
        let step = outcome.built().report.steps.last().expect("a step");
        self.store.record(&step.record.expect("a record")).expect("a record")
    }

    /// A file of the last step's layer.
    fn written(&self, outcome: &Outcome, path: &str) -> Option<String> {
        let layer = outcome.built().report.steps.last()?.layer?;
        let layer = self.store.layer(&layer).expect("a layer")?;
        fs::read_to_string(layer.directory.join(path)).ok()
    }
}

/// Perl that connects and prints what it hears.
fn hello(address: &str) -> String {
    let address = address.replace('.', ", ");
    format!(
        "perl -e 'socket($s, 2, 1, 0); connect($s, pack(\"SnC4x8\", 2, 80, {address})) or die \"$!\"; print scalar <$s>'"
    )
}

fn intakes_are_in_the_record_and_survive(lab: &Lab) {
    let house = House::new(lab);
    let gateway = Everywhere { lines: vec!["a loud line"], ..Everywhere::default() };
    let script = format!("printf begun; {}; {}", hello("192.0.2.1"), hello("10.1.2.3"));
    let first = house.run(&script, &gateway);
    let record = house.record(&first);
    let urls: Vec<&str> = record.intakes.iter().map(|intake| intake.url.as_str()).collect();
    assert_eq!(urls, ["tcp://192.0.2.1:80", "tcp://10.1.2.3:80"]);
    assert_eq!(record.unobserved, ["tls:example.org"]);
    let network = &record.inputs["network"];
    assert!(network.starts_with("gateway ") && network.ends_with(" Allowed"), "{network}");
    assert!(!record.inputs.keys().any(|name| name.contains("SSL_CERT_FILE")), "{:?}", record.inputs);
    assert!(first.output.contains("kapok: a loud line\n"), "{}", first.output);
    assert_eq!(first.output.matches("hello\n").count(), 2);
    assert_eq!(*gateway.opened.lock().expect("a list"), [("stage-0 2/2".to_owned(), 3)]);
    // From the cache, and with a policy of another kind not.
    let again = house.run(&script, &gateway);
    assert_eq!(house.record(&again), record);
    assert_eq!(again.output, "");
    let other = Everywhere { verdict: Verdict::Failed { reason: "x".into() }, ..Everywhere::default() };
    assert_ne!(house.record(&house.run(&script, &other)).key, record.key);
}

fn a_refusal_fails_a_step_that_ended_well(lab: &Lab) {
    let house = House::new(lab);
    let verdict = Verdict::Refused { rule: "network.deny".into(), reason: "nobody goes there".into() };
    let gateway = Everywhere { verdict, ..Everywhere::default() };
    let outcome = house.run(&format!("{} || true", hello("192.0.2.1")), &gateway);
    assert_eq!(
        outcome.cause().to_string(),
        "`tcp://192.0.2.1:80` is refused by `network.deny`: nobody goes there"
    );
    assert!(house.run("true", &gateway).built.is_ok());
}

fn a_failure_names_what_was_not_reached(lab: &Lab) {
    let house = House::new(lab);
    let verdict = Verdict::Failed { reason: "no such host".into() };
    let gateway = Everywhere { verdict, ..Everywhere::default() };
    let datagram =
        "perl -e 'socket($s, 2, 2, 0); connect($s, pack(\"SnC4x8\", 2, 123, 8, 8, 8, 8)); send($s, 1, 0)'";
    let outcome = house.run(&format!("{}; {datagram}; exit 3", hello("192.0.2.1")), &gateway);
    let hint = outcome.cause().hint().expect("a hint");
    assert!(hint.contains("`tcp://192.0.2.1:80`: no such host"), "{hint}");
    assert!(hint.contains("`udp://8.8.8.8:123`"), "{hint}");
    assert!(
        outcome.output.contains("kapok: failed: udp://8.8.8.8:123: udp cannot leave"),
        "{}",
        outcome.output
    );
}

fn nothing_of_it_stays_in_the_layer(lab: &Lab) {
    let house = House::new(lab);
    let own = "-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----\n";
    let write = format!(
        "mkdir -p /etc/ssl/certs && printf -- '{}' > /etc/ssl/certs/ca-certificates.crt",
        own.replace('\n', "\\n")
    );
    let script = "cat /etc/ssl/certs/ca-certificates.crt > /copy; cp $SSL_CERT_FILE /second; echo more >> /etc/ssl/certs/ca-certificates.crt; env > /environment";
    let dockerfile = format!("ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt\nRUN {write}\nRUN {script}");
    let outcome = house.build(&house.request(&dockerfile), Some(&Everywhere::default()));
    let written = |path| house.written(&outcome, path).expect("it was written");
    assert_eq!(written("copy"), own);
    assert_eq!(written("second"), own);
    assert_eq!(written("etc/ssl/certs/ca-certificates.crt"), format!("{own}more\n"));
    assert!(written("environment").contains("PIP_CERT=/run/kapok/ca.pem\n"));
    let record = house.record(&outcome);
    assert!(
        record.warnings.iter().any(|warning| warning.contains("`/environment` names `/run/kapok`")),
        "{record:?}"
    );
    assert_eq!(house.written(&outcome, "run/kapok/ca.pem"), None);
    let config = house.store.read_blob(&outcome.built().platforms[0].config).expect("a configuration");
    let config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    let env = config["config"]["Env"].to_string();
    assert!(
        env.contains("PIP_CERT=/etc/ssl") && !env.contains("kapok") && !env.contains("SSL_CERT_FILE"),
        "{env}"
    );
}

fn what_cannot_be_taken_out_fails_the_step(lab: &Lab) {
    let house = House::new(lab);
    let outcome =
        house.run("(cat /run/kapok/ca.pem; head -c 9 /dev/zero) > /archive", &Everywhere::default());
    assert_eq!(outcome.cause().to_string(), "the authority of this step's network is in `/archive`");
    assert!(outcome.cause().hint().is_some());
}

fn a_step_without_it_is_as_before(lab: &Lab) {
    let house = House::new(lab);
    let gateway = Everywhere::default();
    let none =
        house.build(&house.request("RUN --network=none env; ls -d /run/kapok || true"), Some(&gateway));
    assert!(!none.output.contains("SSL_CERT_FILE") && house.record(&none).unobserved.is_empty());
    assert!(gateway.opened.lock().expect("a list").is_empty());
    let mut request = house.request("RUN --network=host env");
    request.permissions.host_network = true;
    let host = house.build(&request, Some(&gateway));
    assert!(!host.output.contains("SSL_CERT_FILE"));
    assert_eq!(house.record(&host).unobserved, ["network"]);
    assert!(house.place.exists());
}

fn empty_caches_leave_nothing_unobserved(lab: &Lab) {
    let house = House::new(lab);
    let mut request = house.request(
        "RUN --mount=type=cache,target=/c --mount=type=cache,target=/d,id=/c ls /c; echo x > /c/x; ls /d",
    );
    for _ in 0..2 {
        let filled = house.build(&request, Some(&Everywhere::default()));
        assert_eq!(
            house.record(&filled).unobserved,
            ["tls:example.org", "cache:/c"].map(String::from).into_iter().rev().collect::<Vec<_>>()
        );
    }
    request.empty_caches = true;
    let empty = house.build(&request, Some(&Everywhere::default()));
    assert_eq!(
        (empty.output.as_str(), house.record(&empty).unobserved),
        ("x\n", vec!["tls:example.org".to_owned()])
    );
}
