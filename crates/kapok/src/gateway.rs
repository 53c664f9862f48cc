//! The gateway of a build: what the `registry` crate is given of settings, environment and clock, in the form in which
//! the engine wants it. Nothing is started before a step needs the network.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use build::network::{self, GatewayError, GatewaySockets, StepGateway, StepNetwork};
use oci::record::Intake;
use oci::store::Store;
use registry::client::authorities;
use registry::gateway::gate::Gate;
use registry::gateway::{
    Gateway, GatewayOptions, Limits, Mode, PackageServerSettings, Sockets, StepOptions, serve_packages,
    system_resolver,
};
use registry::server::{Events, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::fetch::trust;
use crate::registry::{LazyRuntime, options};
use crate::settings::Settings;
use crate::settings::gate::private_hosts;

/// The way out of a build's RUNs.
pub struct RunGateway {
    runtime: LazyRuntime,
    store: Arc<Store>,
    environment: Environment,
    settings: Settings,
    /// Authorities of the settings, PEM.
    trusted: Vec<u8>,
    gate: Arc<dyn Gate>,
    mode: Mode,
    no_stale: bool,
    made: OnceLock<Gateway>,
}

impl RunGateway {
    /// By the settings and the environment.
    pub fn new(
        runtime: LazyRuntime,
        store: &Arc<Store>,
        environment: &Environment,
        settings: &Settings,
    ) -> Result<RunGateway, Failure> {
        let mut trusted = Vec::new();
        for path in &settings.network.ca {
            let read = std::fs::read(path).map_err(|error| {
                Failure::usage(format!("cannot read `{}` of `network.ca`: {error}", path.display()))
            })?;
            authorities(&read, &path.display().to_string())
                .map_err(|error| Failure::usage(format!("`network.ca`: {error}")))?;
            trusted.extend(read);
            trusted.push(b'\n');
        }
        Ok(RunGateway {
            runtime,
            store: store.clone(),
            environment: environment.clone(),
            settings: settings.clone(),
            trusted,
            gate: Arc::new(settings.rules(clock::now())),
            mode: Mode::Online,
            no_stale: false,
            made: OnceLock::new(),
        })
    }

    /// The same; what an upstream that is down had is taken from the store only if `stale`.
    pub fn with_stale(self, stale: bool) -> RunGateway {
        RunGateway { no_stale: !stale, ..self }
    }

    /// The same, with its answers from elsewhere.
    pub fn in_mode(self, mode: Mode) -> RunGateway {
        RunGateway { mode, ..self }
    }

    /// Another one by the same settings, with its answers from elsewhere.
    pub fn again(&self, mode: Mode) -> RunGateway {
        RunGateway {
            runtime: self.runtime.clone(),
            store: self.store.clone(),
            environment: self.environment.clone(),
            settings: self.settings.clone(),
            trusted: self.trusted.clone(),
            gate: self.gate.clone(),
            mode,
            no_stale: self.no_stale,
            made: OnceLock::new(),
        }
    }

    /// Whether an upstream answers a recorded request otherwise by now; an error in words where nobody can say.
    pub fn changed(&self, intake: &Intake) -> Result<bool, String> {
        self.gateway().map_err(|error| error.to_string())?.changed(intake)
    }

    /// Whether the names in a Git repository mean something else by now.
    pub fn refs_moved(&self, intake: &Intake, wanted: &[String]) -> Result<bool, String> {
        self.gateway().map_err(|error| error.to_string())?.refs_moved(intake, wanted)
    }

    /// A document, as a step would get it.
    pub fn document(&self, url: &str) -> Result<Option<Vec<u8>>, String> {
        self.gateway().map_err(|error| error.to_string())?.document(url)
    }

    /// Serves packages to others, from the same store and by the same rules.
    pub fn serve(&self, settings: PackageServerSettings, events: Arc<dyn Events>) -> Result<Server, Failure> {
        let options = self
            .options()
            .map_err(|error| Failure::usage(format!("cannot {}: {}", error.action, error.source)))?;
        Ok(serve_packages(options, settings, events)?)
    }

    fn gateway(&self) -> Result<&Gateway, GatewayError> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = Gateway::new(self.options()?);
        let made = made.map_err(|error| GatewayError { action: "prepare TLS", source: Box::new(error) })?;
        // Another thread may have been faster; one is as good as the other.
        Ok(self.made.get_or_init(|| made))
    }

    fn options(&self) -> Result<GatewayOptions, GatewayError> {
        raise_file_limit();
        let failed = |action| move |source| GatewayError { action, source };
        let runtime = self.runtime.get().map_err(|error| failed("start threads")(Box::new(error)))?;
        let mut pem = trust::Sources::of(&self.environment).pem();
        pem.extend(&self.trusted);
        let network = &self.settings.network;
        Ok(GatewayOptions {
            runtime,
            store: self.store.clone(),
            // A machine without authorities trusts nobody.
            authorities: authorities(&pem, "the machine").unwrap_or_default(),
            proxy: Some(options::proxy(&self.environment)),
            mirrors: network.mirrors.iter().map(|(_, mirror)| mirror.clone()).collect(),
            internal: network.internal.iter().cloned().chain(private_hosts(&self.settings.gate)).collect(),
            passthrough: network.passthrough.clone(),
            credentials: network.credentials.clone(),
            gate: self.gate.clone(),
            mode: self.mode.clone(),
            no_stale: self.no_stale,
            clock: Arc::new(clock::now),
            resolver: system_resolver(),
            limits: Limits::default(),
        })
    }
}

impl network::Gateway for RunGateway {
    fn policy(&self) -> String {
        self.gate.policy()
    }

    fn trusted(&self) -> &[u8] {
        &self.trusted
    }

    fn recalls(&self) -> bool {
        self.gate.recalls()
    }

    fn open(&self, step: &StepNetwork<'_>) -> Result<Box<dyn StepGateway>, GatewayError> {
        let options =
            StepOptions { say: step.say.clone(), hosts: step.hosts.to_vec(), earlier: step.earlier.clone() };
        let opened = self.gateway()?.step(options);
        let failed = |error| GatewayError { action: "make a key", source: Box::new(error) };
        Ok(Box::new(OfStep(opened.map_err(failed)?)))
    }
}

/// One step's gateway as the engine wants it.
struct OfStep(registry::gateway::StepGateway);

impl StepGateway for OfStep {
    fn authority(&self) -> &[u8] {
        self.0.authority()
    }

    fn serve(&mut self, sockets: GatewaySockets) -> Result<(), GatewayError> {
        let GatewaySockets { tcp4, tcp6, dns_udp, dns_tcp } = sockets;
        let failed = |error| GatewayError { action: "serve its sockets", source: Box::new(error) };
        self.0.serve(Sockets { tcp4, tcp6, dns_udp, dns_tcp }).map_err(failed)
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.0.name_of(address)
    }

    fn finish(self: Box<Self>) -> network::Served {
        let served = self.0.finish();
        network::Served { intakes: served.intakes, unobserved: served.unobserved, warnings: served.warnings }
    }
}

/// A step may hold hundreds of connections, and every download of theirs a file. Where the system does not give more,
/// connections wait for each other.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}
