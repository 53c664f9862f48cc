//! Builds whose bases and results are elsewhere: what is asked for, what is fetched, and what is not.

use oci::record::Key;
use oci::store::LayerBlob;
use oci::{Descriptor, DiffId, Digest, LayerId, Manifest, Platform, Raw, Reference};

use super::*;
use crate::plan::ImageError;

/// The name of the image that an [`Elsewhere`] has.
const BASE: &str = "registry.example.org/team/base:1";

/// A registry and a shared cache of one machine: its store, with the image that a build made there.
struct Elsewhere {
    lab: Lab,
    built: Built,
    asked: Mutex<Vec<String>>,
    /// Bytes that a blob has in place of its own.
    damaged: Option<Digest>,
}

impl Elsewhere {
    fn with(files: &[(&str, &str)], dockerfile: &str) -> Elsewhere {
        let lab = Lab::new(files);
        let built = lab.build(dockerfile).unwrap();
        Elsewhere { lab, built, asked: Mutex::default(), damaged: None }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn say(&self, text: impl Into<String>) {
        self.asked.lock().unwrap().push(text.into());
    }

    fn blob(&self, layer: &LayerId) -> LayerBlob {
        self.lab.store.layer_blob(layer, oci::layer::Compression::Gzip, None).unwrap().unwrap()
    }

    fn copy(&self, to: &Store, blobs: &[Descriptor], arrived: &(dyn Fn(&Descriptor) + Sync)) {
        for blob in blobs {
            self.say("blob");
            let mut bytes = self.lab.store.read_blob(&blob.digest).unwrap();
            if self.damaged == Some(blob.digest) {
                bytes.truncate(bytes.len() / 2);
            }
            if to.import_blob(&mut &bytes[..], blob).is_ok() {
                arrived(blob);
            }
        }
    }
}

/// Both doors of a build in another store.
struct Doorway<'a>(&'a Elsewhere, &'a Store);

impl Upstream for Doorway<'_> {
    fn resolve(&self, name: &str, _: &Reference, _: &Platform) -> Result<Resolved, ImageError> {
        self.0.say(format!("resolve {name}"));
        if name != BASE {
            return Err(ImageError::NotFound { name: name.to_owned(), hint: None });
        }
        let digest = self.0.built.image.digest;
        let manifest = self.0.lab.store.read_blob(&digest).unwrap();
        let parsed: Raw<Manifest> = Raw::parse(manifest.clone()).unwrap();
        let config = self.0.lab.store.read_blob(&parsed.value().config.digest).unwrap();
        self.1.put_blob(&manifest).unwrap();
        self.1.put_blob(&config).unwrap();
        Ok(Resolved { top: digest, manifest: digest, place: "registry.example.org".to_owned() })
    }

    fn fetch(
        &self,
        _: &Reference,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError> {
        self.0.copy(self.1, blobs, arrived);
        Ok(())
    }
}

impl SharedCache for Doorway<'_> {
    fn step(&self, key: &Key) -> Option<SharedStep> {
        let step = self.0.lab.store.step(key).unwrap()?;
        let layer = step.layer?;
        self.1.put_blob(&self.0.lab.store.read_blob(&step.record).unwrap()).unwrap();
        let origin = BASE.parse().ok();
        Some(SharedStep { record: step.record, layer, blob: self.0.blob(&layer), origin })
    }

    fn layer_of(&self, diff_id: &DiffId) -> Option<LayerId> {
        self.0.lab.store.layer_by_diff_id(diff_id).unwrap()
    }

    fn index(&self, layer: &LayerId) -> Option<Vec<u8>> {
        self.0.say("index");
        Some(self.0.lab.store.layer(layer).unwrap()?.index.encode().to_vec())
    }

    fn fetch(
        &self,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError> {
        self.0.copy(self.1, blobs, arrived);
        Ok(())
    }
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Events for Warnings {
    fn event(&self, event: Event) {
        if let Event::Warning { message, .. } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}

/// Builds here with what is elsewhere; the warnings too.
fn build_here(
    lab: &Lab,
    elsewhere: &Elsewhere,
    request: &Request,
) -> (Result<Built, BuildError>, Vec<String>) {
    let (doorway, warnings) = (Doorway(elsewhere, &lab.store), Warnings::default());
    let doors = Doors {
        store: &lab.store,
        spawner: None,
        fetch: &Unreachable,
        git: &Unreachable,
        upstream: Some(&doorway),
        cache: Some(&doorway),
        layers: None,
        gateway: None,
        judge: None,
        materials: None,
        events: &warnings,
        cancel: Cancel::default(),
    };
    let built = build(request, &doors);
    (built, warnings.0.into_inner().unwrap())
}

fn request(lab: &Lab, dockerfile: &str, keep: Keep) -> Request {
    Request { keep, ..lab.request(dockerfile) }
}

#[test]
fn a_base_is_fetched_when_a_step_needs_its_files() {
    let elsewhere = Elsewhere::with(&[("base", "of the base")], "FROM scratch\nCOPY base /base\n");
    let lab = Lab::new(&[("a", "a")]);
    let only_words = request(&lab, &format!("FROM {BASE}\nENV A=b\n"), Keep::Nothing);
    let (built, _) = build_here(&lab, &elsewhere, &only_words);
    let built = built.unwrap();
    assert_eq!(elsewhere.asked(), [format!("resolve {BASE}")]);
    assert_eq!(built.platforms[0].layers, []);
    let layer = elsewhere.blob(&elsewhere.built.platforms[0].layers[0]).descriptor;
    assert!(!lab.store.has_blob(&layer.digest).unwrap());

    // The name is known here by now, and nobody is asked.
    let (built, _) = build_here(&lab, &elsewhere, &request(&lab, &only_words.source.text, Keep::Blobs));
    assert!(built.is_ok() && lab.store.has_blob(&layer.digest).unwrap());
    assert_eq!(elsewhere.asked(), ["blob"]);
    let (built, _) =
        build_here(&lab, &elsewhere, &request(&lab, &format!("FROM {BASE}\nCOPY a /\n"), Keep::Blobs));
    assert_eq!(built.unwrap().platforms[0].layers.len(), 2);
    assert_eq!(elsewhere.asked(), [""; 0]);

    // Unless somebody insists.
    let pull = Request { pull: true, ..only_words };
    assert!(build_here(&lab, &elsewhere, &pull).0.is_ok());
    assert_eq!(elsewhere.asked(), [format!("resolve {BASE}")]);
    assert_eq!(lab.store.verify(1).unwrap().findings, [""; 0]);
}

#[test]
fn an_image_is_asked_for_once_and_one_that_nobody_has_is_said_so() {
    let elsewhere = Elsewhere::with(&[("base", "")], "FROM scratch\nCOPY base /\n");
    let lab = Lab::new(&[]);
    let text =
        format!("FROM {BASE} AS a\nFROM {BASE}\nCOPY --from={BASE} /base /x\nCOPY --from=a /base /y\n");
    let mut twice = request(&lab, &text, Keep::Nothing);
    twice.platforms = vec![Platform::linux("amd64"), Platform::linux("arm64")];
    let _ = build_here(&lab, &elsewhere, &twice).0.unwrap();
    let resolved = elsewhere.asked().iter().filter(|asked| asked.starts_with("resolve")).count();
    assert_eq!(resolved, 1);
    let missing = request(&lab, "FROM registry.example.org/none\n", Keep::Blobs);
    let Err(BuildError::Dockerfile { images, .. }) = build_here(&lab, &elsewhere, &missing).0 else {
        panic!("nobody has it")
    };
    assert!(matches!(&images[..], [ImageError::NotFound { .. }]));
}

/// Two stages; the second copies from the first.
const STAGES: &str = "FROM scratch AS one\nCOPY a b /\nFROM scratch\nCOPY --from=one /a /\nCOPY c /\n";
const FILES: [(&str, &str); 3] = [("a", "first"), ("b", "second"), ("c", "third")];

fn packed_elsewhere() -> Elsewhere {
    let elsewhere = Elsewhere::with(&FILES, STAGES);
    let mut all = elsewhere.lab.request(STAGES);
    all.pack_all = true;
    let built = elsewhere.lab.build_request(&all, &NoEvents).unwrap();
    assert_eq!(built.image.digest, elsewhere.built.image.digest);
    for step in &built.report.steps {
        // The layers of all stages are packed by now.
        elsewhere.blob(&step.layer.unwrap());
    }
    elsewhere
}

#[test]
fn what_another_machine_did_is_not_done_again() {
    let elsewhere = packed_elsewhere();
    let lab = Lab::new(&FILES);
    let (built, warnings) = build_here(&lab, &elsewhere, &request(&lab, STAGES, Keep::Nothing));
    let built = built.unwrap();
    assert_eq!((built.report.counts(), warnings), ((0, 3), vec![]));
    assert_eq!(built.image.digest, elsewhere.built.image.digest);
    // The key of a copy from a stage needs the stage's names and digests, and no more.
    assert_eq!(elsewhere.asked(), ["index"]);
    let records = |built: &Built| built.report.steps.iter().map(|step| step.record).collect::<Vec<_>>();
    assert_eq!(records(&built), records(&elsewhere.built));

    // What was not needed until now is fetched for a step that runs.
    let changed = Lab::new(&[FILES[0], FILES[1], ("c", "changed")]);
    let text = format!("{STAGES}COPY --from=one /b /\n");
    let (built, warnings) = build_here(&changed, &elsewhere, &request(&changed, &text, Keep::Files));
    let built = built.unwrap();
    assert_eq!((built.report.counts(), warnings), ((2, 2), vec![]));
    assert_eq!(changed.read(&built, "b"), "second");
    assert_eq!(changed.store.verify(1).unwrap().findings, [""; 0]);
    // And what was fetched is a result of this store's own.
    drop(elsewhere.asked());
    let again = changed.build_request(&changed.request(&text), &NoEvents).unwrap();
    assert_eq!(again.report.counts(), (0, 4));
}

#[test]
fn a_cache_that_is_wrong_costs_time_and_nothing_else() {
    for what in ["a blob is damaged", "a blob is another layer's"] {
        let mut elsewhere = packed_elsewhere();
        let layer = elsewhere.built.report.steps[0].layer.unwrap();
        let blob = elsewhere.blob(&layer).descriptor;
        let lab = Lab::new(&FILES);
        if what == "a blob is damaged" {
            elsewhere.damaged = Some(blob.digest);
        } else {
            // The cache says of a key that it leads to another record's layer: the record itself says otherwise.
            let steps = &elsewhere.built.report.steps;
            let (key, other) = (steps[0].key.unwrap(), steps[2].layer.unwrap());
            let wrong = oci::store::NewStep { key, record: steps[0].record.unwrap(), layer: Some(other) };
            let batch = Batch { steps: vec![wrong], ..Batch::default() };
            elsewhere.lab.store.commit(&batch).unwrap();
        }
        let (built, warnings) = build_here(&lab, &elsewhere, &request(&lab, STAGES, Keep::Files));
        let built = built.unwrap();
        assert_eq!(built.image.digest, elsewhere.built.image.digest, "{what}");
        assert_eq!(lab.read(&built, "c"), "third");
        assert_eq!(lab.store.verify(1).unwrap().findings, [""; 0]);
        let _ = warnings;
    }
}
