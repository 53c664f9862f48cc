//! Sudden death of a storm: `kill -9` at any moment, and the next build does what is missing, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::fuzz::Random;

use crate::command;
use crate::real::{Place, Test, Trouble, World, ensure, left_nothing};

pub const TESTS: &[Test] = &[("a storm killed at any moment is completed by the next build", ten)];

const LIMIT: Duration = Duration::from_secs(120);

/// What a step may have taken and still be lost: the engine keeps dearer ones at once.
const CHEAP: f64 = 0.5;

/// Images, what each stands on, and its steps: some compute, some write much, some only copy.
const IMAGES: [(&str, &str, &[Step]); 9] = [
    ("base", "base-of-all", &[Step::Compute(60), Step::Files(200)]),
    ("lib", "base", &[Step::Compute(300), Step::Copy]),
    ("deps", "base", &[Step::Data(8), Step::Compute(350)]),
    ("app-a", "lib", &[Step::Copy, Step::Compute(100), Step::From("deps")]),
    ("app-b", "lib", &[Step::Compute(280), Step::Data(2)]),
    ("app-c", "deps", &[Step::Copy, Step::Compute(20), Step::Compute(20), Step::Compute(20)]),
    ("tool", "base-of-all", &[Step::Compute(400), Step::Copy]),
    ("job", "tool", &[Step::From("app-b"), Step::Compute(30)]),
    ("leaf", "app-a", &[Step::Copy]),
];

enum Step {
    /// For about so many milliseconds.
    Compute(u32),
    /// Writes so many small files.
    Files(u32),
    /// Writes so many megabytes that cannot be compressed, and are the same every time.
    Data(u32),
    /// Copies the image's own file, which changes from round to round.
    Copy,
    /// Copies out of another image.
    From(&'static str),
}

fn ten(world: &World) -> Result<(), Trouble> {
    storms(world, 10)
}

/// Image by image what its name means.
type Tags = BTreeMap<&'static str, Option<String>>;

/// Kills the storm this many times, at moments spread over most of its length (a round changes some images only), and looks at what is left each time.
pub fn storms(world: &World, times: usize) -> Result<(), Trouble> {
    let seed = u64::from(std::process::id());
    let town = Town { place: world.place("killed-storm")?, random: Random::new(seed) };
    town.run(times).map_err(|trouble| match trouble {
        Trouble::Failed(report) => Trouble::Failed(format!("seed {seed}: {report}")),
        skipped => skipped,
    })
}

/// What all rounds found, for whoever looks at figures.
#[derive(Default)]
struct Found {
    complete: usize,
    kept: usize,
    repeated: usize,
    ended: usize,
}

/// The project, and the store it is built in.
struct Town<'w> {
    place: Place<'w>,
    random: Random,
}

impl Town<'_> {
    fn run(mut self, times: usize) -> Result<(), Trouble> {
        let base = self.place.build("//- /Dockerfile\nFROM base\n", &["-q", "-t", "base-of-all"])?;
        ensure(base.success(), || base.tail(20))?;
        self.write(0, &IMAGES.map(|(name, ..)| name))?;
        let start = Instant::now();
        self.build("a build that nobody kills")?;
        let whole = start.elapsed();
        let mut found = Found::default();
        for round in 1..=times {
            let changed = self.some_images();
            self.write(round, &changed)?;
            let moment = whole.mul_f64(self.random.below(750) as f64 / 1000.0);
            let at =
                format!("round {round}, killed after {} of {} ms", moment.as_millis(), whole.as_millis());
            let told = |report: String| Trouble::Failed(format!("{at}, {changed:?} changed: {report}"));
            self.round(round, moment, &mut found).map_err(|trouble| match trouble {
                Trouble::Failed(report) => told(report),
                skipped => skipped,
            })?;
        }
        let Found { complete, kept, repeated, ended } = found;
        println!(
            "{times} storms of {} images killed, {ended} had just ended: {complete} images were complete and ran nothing \
             again; of the steps that had ended {kept} were there, {repeated} short ones ran again",
            IMAGES.len()
        );
        Ok(())
    }

    /// One death, and the build after it.
    fn round(&self, round: usize, moment: Duration, found: &mut Found) -> Result<(), Trouble> {
        let before = self.tags()?;
        let (killed, by_itself) = self.killed(moment)?;
        found.ended += usize::from(by_itself);
        left_nothing(&self.place).map_err(Trouble::Failed)?;
        if round.is_multiple_of(2) {
            self.place.verify()?;
        }
        let between = self.tags()?;
        let next = self.build("the build after it")?;
        let after = self.tags()?;
        for (image, tag) in &between {
            // A name means the last good image, or already the one that the finished build has.
            ensure(tag == &before[image] || tag == &after[image], || {
                format!("`{image}` meant {tag:?}: neither {:?} nor {:?}", before[image], after[image])
            })?;
        }
        for image in &killed.complete {
            let again = next.ran.iter().find(|(of, _)| of == image);
            ensure(again.is_none(), || format!("`{image}` was complete and ran {again:?} again"))?;
            ensure(between[image.as_str()] == after[image.as_str()], || {
                format!("`{image}` got another name")
            })?;
        }
        for (step, took) in &killed.finished {
            let again = next.ran.contains(step);
            ensure(!again || *took < CHEAP, || format!("{step:?} took {took} s and ran again"))?;
            *(if again { &mut found.repeated } else { &mut found.kept }) += 1;
        }
        found.complete += killed.complete.len();
        let last = self.build("one more build")?;
        ensure(last.ran.is_empty(), || format!("nothing changed, and these ran: {:?}", last.ran))?;
        let status = self.place_command(&["status"])?;
        ensure(status.success(), || format!("kapok status: {}", status.tail(20)))?;
        if round.is_multiple_of(10) {
            self.as_nobody_kills(&after)?;
        }
        self.place.verify()
    }

    /// The same in a store where nobody was killed.
    fn as_nobody_kills(&self, tags: &Tags) -> Result<(), Trouble> {
        let apart = Town {
            place: self.place.with_store(self.place.path.join("untouched")),
            random: self.random.clone(),
        };
        fs::remove_dir_all(&apart.place.store).ok();
        let base = apart.place.build("//- /Dockerfile\nFROM base\n", &["-q", "-t", "base-of-all"])?;
        ensure(base.success(), || base.tail(20))?;
        apart.build("a build in another store")?;
        let theirs = apart.tags()?;
        ensure(theirs == *tags, || format!("a build that nobody kills makes {theirs:?}, not {tags:?}"))
    }

    fn project(&self) -> PathBuf {
        self.place.path.join("town")
    }

    /// Between one image and all.
    fn some_images(&mut self) -> Vec<&'static str> {
        let many = 1 + self.random.below(IMAGES.len());
        let mut names: Vec<_> = IMAGES.iter().map(|(name, ..)| *name).collect();
        while names.len() > many {
            names.swap_remove(self.random.below(names.len()));
        }
        names
    }

    /// Writes the project; these images are others than in the round before.
    fn write(&self, round: usize, changed: &[&str]) -> Result<(), Trouble> {
        for (name, from, steps) in IMAGES.iter().filter(|(name, ..)| changed.contains(name)) {
            let directory = self.project().join(name);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("file"), format!("{name} {round}\n"))?;
            let mut text = format!("FROM {from}\n");
            for (number, step) in steps.iter().enumerate() {
                text.push_str(&step.line(name, round, number));
            }
            fs::write(directory.join("Dockerfile"), text)?;
        }
        let images = IMAGES.iter().map(|(name, ..)| format!("  {name}: {name}\n"));
        Ok(fs::write(self.project().join("kapok.yaml"), format!("images:\n{}", images.collect::<String>()))?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.place.command();
        command.current_dir(self.project()).args(words);
        command
    }

    fn place_command(&self, words: &[&str]) -> Result<command::Outcome, Trouble> {
        Ok(command::run(&mut self.command(words), LIMIT)?)
    }

    /// A build that must end well.
    fn build(&self, which: &str) -> Result<Told, Trouble> {
        let outcome = self.place_command(&["build", "--progress", "json"])?;
        ensure(outcome.success(), || format!("{which}: exit {}\n{}", outcome.code(), outcome.tail(30)))?;
        Ok(Told::of(&outcome.stderr))
    }

    /// A build that is killed; what it told until then, and whether it ended before.
    fn killed(&self, moment: Duration) -> Result<(Told, bool), Trouble> {
        let log = self.place.path.join("killed.log");
        let mut build = self.command(&["build", "--progress", "json"]);
        build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut child = build.process_group(0).spawn()?;
        std::thread::sleep(moment);
        kill_process(Pid::from_child(&child), Signal::KILL).ok();
        let ended = child.wait()?.success();
        Ok((Told::of(&fs::read_to_string(&log)?), ended))
    }

    fn tags(&self) -> Result<Tags, Trouble> {
        let mut tags = Tags::new();
        for (name, ..) in IMAGES {
            let outcome = self.place_command(&["inspect", name])?;
            let value: Option<Value> = serde_json::from_str(&outcome.stdout).ok();
            let digest = value.and_then(|value| Some(value[0]["Digest"].as_str()?.to_owned()));
            ensure(digest.is_some() || !outcome.success(), || {
                format!("no digest of `{name}`: {}", outcome.tail(9))
            })?;
            tags.insert(name, digest);
        }
        Ok(tags)
    }
}

impl Step {
    fn line(&self, image: &str, round: usize, number: usize) -> String {
        match self {
            Step::Compute(millis) => {
                let loops = millis * 200;
                format!(
                    "RUN i=0; while [ $i -lt {loops} ]; do i=$((i+1)); done; echo {image} {round} > /{image}-{number}\n"
                )
            }
            Step::Files(many) => {
                format!("RUN mkdir /files; for i in $(seq {many}); do echo {round} > /files/$i; done\n")
            }
            Step::Data(megabytes) => format!(
                "RUN for i in $(seq {megabytes}); do seq 140000 | sed s/^/{round}$i/ >> /data; done\n"
            ),
            Step::Copy => format!("COPY file /{image}-file\n"),
            Step::From(other) => format!("COPY --from={other} /etc /of-{other}\n"),
        }
    }
}

/// What a build said of itself.
#[derive(Default)]
struct Told {
    /// Images that it called complete.
    complete: BTreeSet<String>,
    /// Steps that began: the image and the instruction.
    ran: BTreeSet<(String, String)>,
    /// Steps that ended well, and after how many seconds.
    finished: Vec<((String, String), f64)>,
}

impl Told {
    /// From lines of JSON, of which the last may be half of one.
    fn of(text: &str) -> Told {
        let mut told = Told::default();
        let mut texts = BTreeMap::new();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let image = line["image"].as_str().unwrap_or_default().to_owned();
            let step = || {
                let number = line["step"].as_u64().unwrap_or_default();
                (image.clone(), texts.get(&(image.clone(), number)).cloned().unwrap_or_default())
            };
            match line["event"].as_str() {
                Some("planned") => {
                    for step in line["steps"].as_array().into_iter().flatten() {
                        let number = step["step"].as_u64().unwrap_or_default();
                        let text = step["text"].as_str().unwrap_or_default();
                        texts.insert((image.clone(), number), text.to_owned());
                    }
                }
                Some("started") => drop(told.ran.insert(step())),
                Some("finished") => {
                    told.finished.push((step(), line["wall_ms"].as_f64().unwrap_or_default() / 1000.0));
                }
                Some("state") if line["state"] == "Complete" => drop(told.complete.insert(image)),
                _ => {}
            }
        }
        told
    }
}
