//! What these tests share: an image, a served store, Debian's registry, a user.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{self, Outcome};
use crate::real::{Place, Trouble, ensure, needs};

pub const LIMIT: Duration = Duration::from_secs(120);

/// Who may everything, and what they say.
pub const USER: &str = "ali";
pub const PASSWORD: &str = "sesame";

/// Their line in a file of users; bcrypt, with little work, because it is looked at often.
pub const HTPASSWD: &str = "ali:$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n";

/// An image with a large layer, a small one, and a command that says something.
const FIXTURE: &str = "\
//- /Dockerfile
FROM base
COPY large /large
RUN echo small > /small
CMD [\"/bin/cat\", \"/small\"]
//- /large size=5000000
";

/// A place whose commands know nobody's credentials and settings but its own.
pub struct Here<'a> {
    pub place: Place<'a>,
}

impl<'a> Here<'a> {
    pub fn new(place: Place<'a>) -> Here<'a> {
        Here { place }
    }

    /// Another store, and the same everything else.
    pub fn other(&self, name: &str) -> Here<'_> {
        Here { place: self.place.with_store(self.place.path.join(name)) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path.join(name)
    }

    /// The program, with a home of its own.
    pub fn command(&self) -> Command {
        let mut command = self.place.command();
        command.env("HOME", self.path("home")).current_dir(&self.place.path);
        for name in ["DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, words: &[&str]) -> Result<Outcome, Trouble> {
        Ok(command::run(self.command().args(words), LIMIT)?)
    }

    /// A command that must end well; its standard output.
    pub fn ok(&self, words: &[&str]) -> Result<String, Trouble> {
        let outcome = self.run(words)?;
        ensure(outcome.success(), || {
            format!("kapok {}: exit {}\n{}", words.join(" "), outcome.code(), outcome.tail(20))
        })?;
        Ok(outcome.stdout.trim().to_owned())
    }

    /// A command that must be refused.
    pub fn refused(&self, words: &[&str], code: i32, said: &str) -> Result<(), Trouble> {
        let outcome = self.run(words)?;
        ensure(outcome.code() == code && outcome.stderr.contains(said), || {
            let words = words.join(" ");
            format!(
                "kapok {words}: wanted exit {code} and `{said}`, got exit {}\n{}",
                outcome.code(),
                outcome.tail(20)
            )
        })
    }

    /// Builds the image under these names; its digest.
    pub fn image(&self, names: &[&str]) -> Result<String, Trouble> {
        let mut flags = vec!["-q"];
        names.iter().for_each(|name| flags.extend(["-t", name]));
        let outcome = self.place.build(FIXTURE, &flags)?;
        ensure(outcome.success(), || outcome.tail(20))?;
        Ok(outcome.stdout.trim().to_owned())
    }

    /// Logs in by standard input.
    pub fn log_in(&self, registry: &str, password: &str) -> Result<Outcome, Trouble> {
        let file = self.path("password");
        fs::write(&file, format!("{password}\n"))?;
        let mut login = self.command();
        login.args(["login", "--username", USER, "--password-stdin", registry]);
        // The runner closes standard input; a shell opens it.
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg("exec \"$@\" < password")
            .arg("sh")
            .arg(login.get_program())
            .args(login.get_args());
        shell.current_dir(&self.place.path);
        for (name, value) in login.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        Ok(command::run(&mut shell, LIMIT)?)
    }

    /// Writes the user's `kapok.yaml`.
    pub fn settings(&self, text: &str) -> Result<(), Trouble> {
        let directory = self.path("settings/kapok");
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join("kapok.yaml"), text)?)
    }

    /// A file of users.
    pub fn htpasswd(&self) -> Result<String, Trouble> {
        let file = self.path("htpasswd");
        fs::write(&file, HTPASSWD)?;
        Ok(file.to_string_lossy().into_owned())
    }

    /// Serves this store on loopback.
    pub fn serve(&self, flags: &[&str]) -> Result<Served, Trouble> {
        let mut command = self.command();
        command.args(["serve", "--registry", "127.0.0.1:0"]).args(flags);
        Served::start(command)
    }
}

/// A `kapok serve`; killed with this value.
pub struct Served {
    child: Child,
    /// `127.0.0.1:…`
    pub address: String,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts a command that serves.
    pub fn start(mut command: Command) -> Result<Served, Trouble> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let Some(stderr) = child.stderr.take() else {
            return Err(Trouble::Failed("no standard error".into()));
        };
        let mut lines = BufReader::new(stderr).lines();
        let mut before = String::new();
        let address = loop {
            match lines.next() {
                Some(Ok(line)) => match line.split_once("://").filter(|_| line.starts_with("serving ")) {
                    Some((_, address)) => break address.split('/').next().unwrap_or_default().to_owned(),
                    None => before += &format!("{line}\n"),
                },
                _ => {
                    child.wait()?;
                    return Err(Trouble::Failed(format!("kapok serve ends at once: {before}")));
                }
            }
        };
        let said = Arc::new(Mutex::new(String::new()));
        let log = said.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(mut log) = log.lock() {
                    *log += &format!("{line}\n");
                }
            }
        });
        Ok(Served { child, address, said, reader: Some(reader) })
    }

    /// `127.0.0.1:…/NAME`
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }

    /// Ends it by this signal; its exit code, and all that it has logged.
    pub fn end(mut self, signal: Signal) -> Result<(Option<i32>, String), Trouble> {
        let _ = kill_process(Pid::from_child(&self.child), signal);
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Ok((status.code(), self.said()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's registry on a port of its own; killed with this value.
pub struct DockerRegistry {
    child: Child,
    /// `127.0.0.1:…`
    pub address: String,
}

impl DockerRegistry {
    /// Starts it with this section of its configuration.
    pub fn start(directory: &Path, auth: &str) -> Result<DockerRegistry, Trouble> {
        DockerRegistry::start_with(directory, "", auth)
    }

    /// Starts it with this in the section `http`, and this section beside it.
    pub fn start_with(directory: &Path, http: &str, auth: &str) -> Result<DockerRegistry, Trouble> {
        needs(&["docker-registry"])?;
        fs::create_dir_all(directory)?;
        // Nobody else is likely to take the port between the two.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = directory.join("registry.yml");
        let storage = directory.join("registry").display().to_string();
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: '{address}', secret: x{http}}}\n{auth}"
            ),
        )?;
        let log = fs::File::create(directory.join("registry.log"))?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut registry = DockerRegistry { child: command.spawn()?, address: address.to_string() };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if registry.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(directory.join("registry.log")).unwrap_or_default();
                return Err(Trouble::Failed(format!("docker-registry does not start: {log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for this machine (`own`), one for a client (`client`), and the authority that vouches for both (`ca`).
pub fn certificates(directory: &Path) -> Result<(), Trouble> {
    let openssl = |line: &str| {
        command::must(Command::new("openssl").args(line.split(' ')).current_dir(directory), LIMIT)
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt")?;
    fs::write(directory.join("own.names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")?;
    fs::write(directory.join("client.names"), "extendedKeyUsage=clientAuth\n")?;
    for name in ["own", "client"] {
        let request =
            format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr");
        openssl(&request)?;
        let sign = "x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 2";
        openssl(&format!("{sign} -in {name}.csr -extfile {name}.names -out {name}.crt"))?;
    }
    Ok(())
}
