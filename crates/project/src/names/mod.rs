//! What a name means: which of the project's images, or one from outside.

mod likeness;
mod official;
mod shared;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use oci::Reference;

use crate::model::{DeclaredBy, ImageName, Project};

use likeness::{is_slip, loose};
pub use official::is_official;

/// Registries that are a cluster's own: a path in them is a namespace and an image stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registries;

impl Registries {
    /// Whether this domain is the registry within an OpenShift cluster, from inside or by its default route.
    pub fn is_cluster(domain: &str) -> bool {
        let host = domain.split(':').next().unwrap_or_default();
        let host = host.strip_suffix(".cluster.local").unwrap_or(host);
        matches!(host, "image-registry.openshift-image-registry.svc" | "docker-registry.default.svc")
            || host.starts_with("default-route-openshift-image-registry.")
    }
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An image of the project, by number. Several if the name is ambiguous, and then the first is taken.
    Images(Vec<usize>),
    /// A base of the project, by number.
    Base(usize),
    /// The image is the project's, but not this tag of it: the images and the tags that they have.
    OtherTag {
        /// The reference as an image from outside.
        external: String,
        /// The images.
        images: Vec<usize>,
        /// Their tags.
        tags: Vec<String>,
    },
    /// A tag of an image stream that nothing here writes.
    Stream {
        /// As people write it.
        name: String,
        /// Its namespace, where that is known.
        namespace: Option<String>,
    },
    /// An image from outside, in its short form.
    External(String),
    /// No reference at all.
    Malformed(String),
}

/// All names of a project's images.
pub struct Names {
    /// Images by name.
    plain: HashMap<String, Vec<usize>>,
    bases: HashMap<String, usize>,
    /// Images by domain and path, with their tags.
    repositories: HashMap<String, Vec<(String, usize)>>,
    /// The same of names that only Makefiles give.
    local: HashMap<String, Vec<(String, usize)>>,
    /// Which images are built by Makefiles, or by hand.
    by_hand: Vec<bool>,
    /// Images by image stream, each with namespace and tag.
    streams: HashMap<String, Vec<(Option<String>, String, usize)>>,
    /// Imported tags of image streams, by image stream.
    imports: HashMap<String, Vec<(Option<String>, String, ImageName)>>,
    /// For each image, the tags that it is known to get.
    tags: Vec<BTreeSet<String>>,
    /// Images by the name without dashes and dots, for names that nearly match.
    loose: BTreeMap<String, BTreeSet<usize>>,
    /// Domains with the first parts of paths that the project's own outputs go to.
    places: BTreeSet<String>,
    /// Names with a slip in them, and what was meant: everybody builds on the same few images from outside.
    slips: RefCell<HashMap<String, Option<String>>>,
}

/// Of more names nobody looks for slips: each is compared with those of all images.
const MAX_SLIPS: usize = 256;

/// Image streams may import from each other; nobody chains more.
const MAX_IMPORTS: usize = 8;

impl Names {
    /// The names of a project.
    pub fn new(project: &Project) -> Names {
        let mut names = Names {
            plain: HashMap::new(),
            bases: HashMap::new(),
            repositories: HashMap::new(),
            local: HashMap::new(),
            by_hand: project
                .images
                .iter()
                .map(|image| matches!(image.declared_by, DeclaredBy::Makefile | DeclaredBy::Dockerfile))
                .collect(),
            streams: HashMap::new(),
            imports: HashMap::new(),
            tags: vec![BTreeSet::new(); project.images.len()],
            loose: BTreeMap::new(),
            places: BTreeSet::new(),
            slips: RefCell::default(),
        };
        for (number, base) in project.bases.iter().enumerate() {
            names.bases.entry(base.name.clone()).or_insert(number);
        }
        for (number, image) in project.images.iter().enumerate() {
            names.plain.entry(image.name.clone()).or_default().push(number);
            names.loose.entry(loose(&image.name)).or_default().insert(number);
            for output in &image.outputs {
                names.add_output(number, &output.name, image.namespace.as_deref());
            }
            for output in &image.also_called {
                let Ok(reference) = output.name.to_string().parse::<Reference>() else { continue };
                let tag = reference.tag().unwrap_or("latest").to_owned();
                names.local.entry(reference.name()).or_default().push((tag, number));
            }
        }
        for (name, images) in shared::shared(&project.images) {
            names.plain.entry(name).or_insert(images);
        }
        for stream in &project.image_streams {
            let imports = names.imports.entry(stream.name.clone()).or_default();
            for tag in &stream.tags {
                if let Some(from) = &tag.from {
                    imports.push((stream.namespace.clone(), tag.tag.clone(), from.clone()));
                }
            }
        }
        names
    }

    fn add_output(&mut self, number: usize, output: &ImageName, namespace: Option<&str>) {
        match output {
            ImageName::Reference(text) => {
                let Ok(reference) = text.parse::<Reference>() else { return };
                if Registries::is_cluster(reference.domain()) {
                    if let Some(stream) = stream_tag(&reference) {
                        self.add_output(number, &stream, None);
                    }
                    return;
                }
                let tag = reference.tag().unwrap_or("latest").to_owned();
                self.tags[number].insert(tag.clone());
                let last = reference.path().rsplit('/').next().unwrap_or_default();
                self.loose.entry(loose(last)).or_default().insert(number);
                if let Some((organisation, _)) = reference.path().rsplit_once('/')
                    && organisation != "library"
                    && reference.domain() != "localhost"
                {
                    self.places.insert(format!("{}/{organisation}", reference.domain()));
                }
                // What is given a bare name or one of localhost is named so by those who build on it.
                if reference.domain() == "localhost" || !text.contains('/') {
                    let plain = self.plain.entry(last.to_owned()).or_default();
                    if !plain.contains(&number) {
                        plain.push(number);
                    }
                }
                self.repositories.entry(reference.name()).or_default().push((tag, number));
            }
            ImageName::StreamTag { namespace: own, name, tag } => {
                self.tags[number].insert(tag.clone());
                self.loose.entry(loose(name)).or_default().insert(number);
                let namespace = own.clone().or(namespace.map(str::to_owned));
                self.streams.entry(name.clone()).or_default().push((namespace, tag.clone(), number));
            }
            ImageName::StreamImage { .. } => {}
        }
    }

    /// What a name means to the image of number `user`, in its namespace.
    pub fn meaning(&self, name: &ImageName, namespace: Option<&str>, user: usize) -> Meaning {
        self.meaning_within(name, namespace, user, MAX_IMPORTS)
    }

    fn meaning_within(
        &self,
        name: &ImageName,
        namespace: Option<&str>,
        user: usize,
        depth: usize,
    ) -> Meaning {
        match name {
            ImageName::Reference(text) => self.reference(text, user, depth),
            ImageName::StreamTag { namespace: own, name, tag } => {
                self.stream(own.as_deref().or(namespace), name, tag, user, depth)
            }
            ImageName::StreamImage { namespace: own, name: stream, digest } => {
                self.stream_image(name, own.as_deref().or(namespace), stream, digest)
            }
        }
    }

    fn reference(&self, text: &str, user: usize, depth: usize) -> Meaning {
        let without_tag =
            text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(text, |(name, _)| name);
        if let Some(base) = self.bases.get(text).or_else(|| self.bases.get(without_tag)) {
            return Meaning::Base(*base);
        }
        let Ok(reference) = text.parse::<Reference>() else { return Meaning::Malformed(text.to_owned()) };
        let external = reference.familiar();
        if reference.digest().is_some() {
            return Meaning::External(external);
        }
        if Registries::is_cluster(reference.domain()) {
            return match stream_tag(&reference) {
                Some(ImageName::StreamTag { namespace, name, tag }) => {
                    self.stream(namespace.as_deref(), &name, &tag, user, depth)
                }
                _ => Meaning::External(external),
            };
        }
        let bare = text.strip_prefix("localhost/").unwrap_or(text);
        let tag = reference.tag().unwrap_or("latest");
        if self.by_hand.get(user) == Some(&true)
            && let Some(known) = self.local.get(&reference.name())
        {
            let exact =
                known.iter().filter(|(own, image)| own == tag && *image != user).map(|(_, image)| *image);
            let exact: Vec<usize> = unique(exact.collect());
            if !exact.is_empty() {
                return Meaning::Images(exact);
            }
        }
        if let Some(known) = self.repositories.get(&reference.name()) {
            let exact = known.iter().filter(|(own, _)| own == tag).map(|(_, image)| *image);
            let exact: Vec<usize> = unique(exact.collect());
            if !exact.is_empty() {
                return Meaning::Images(exact);
            }
            // A name alone is the image's, whatever tags that has.
            if without_tag == text
                && let Some(meaning) = self.bare(bare, user)
            {
                return meaning;
            }
            let tags = known.iter().map(|(tag, _)| tag.clone()).collect();
            let images = unique(known.iter().map(|(_, image)| *image).collect());
            if images != [user] {
                return Meaning::OtherTag { external, images, tags };
            }
        }
        self.bare(bare, user).unwrap_or(Meaning::External(external))
    }

    /// A name without a registry, or one of `localhost`: that of an image of the project, with a tag that it has.
    fn bare(&self, text: &str, user: usize) -> Option<Meaning> {
        let (name, tag) = text.split_once(':').map_or((text, None), |(name, tag)| (name, Some(tag)));
        let images = self.plain.get(name)?;
        let others: Vec<usize> = images.iter().copied().filter(|image| *image != user).collect();
        // `python/Dockerfile` that begins with `FROM python:3.9` means the one from outside.
        if others.is_empty() {
            return None;
        }
        let Some(tag) = tag else { return Some(Meaning::Images(others)) };
        let has = |image: &usize| {
            let tags = &self.tags[*image];
            tags.contains(tag) || tags.is_empty() || tag == "latest"
        };
        let exact: Vec<usize> = others.iter().copied().filter(has).collect();
        if !exact.is_empty() {
            return Some(Meaning::Images(exact));
        }
        let tags = others.iter().flat_map(|image| &self.tags[*image]).cloned().collect::<BTreeSet<_>>();
        Some(Meaning::OtherTag {
            external: text.to_owned(),
            images: others,
            tags: tags.into_iter().collect(),
        })
    }

    fn stream(&self, namespace: Option<&str>, name: &str, tag: &str, user: usize, depth: usize) -> Meaning {
        let agrees = |own: &Option<String>| match (own.as_deref(), namespace) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        let written: Vec<_> =
            self.streams.get(name).into_iter().flatten().filter(|(own, ..)| agrees(own)).collect();
        let exact: Vec<usize> =
            written.iter().filter(|(_, own, _)| own == tag).map(|(.., image)| *image).collect();
        if !exact.is_empty() {
            return Meaning::Images(unique(exact));
        }
        let imports = self.imports.get(name).into_iter().flatten();
        let import = imports.filter(|(own, ..)| agrees(own)).find(|(_, own, _)| own == tag);
        if let (Some((own, _, from)), true) = (import, depth > 0) {
            return self.meaning_within(from, own.as_deref().or(namespace), user, depth - 1);
        }
        let shown = ImageName::StreamTag {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            tag: tag.to_owned(),
        };
        if !written.is_empty() {
            let tags = written.iter().map(|(_, tag, _)| tag.clone()).collect();
            let images = unique(written.iter().map(|(.., image)| *image).collect());
            return Meaning::OtherTag { external: shown.to_string(), images, tags };
        }
        Meaning::Stream { name: shown.to_string(), namespace: namespace.map(str::to_owned) }
    }

    /// An image of a stream by digest: in the repository that the stream is imported from, if there is one.
    fn stream_image(&self, name: &ImageName, namespace: Option<&str>, stream: &str, digest: &str) -> Meaning {
        let agrees =
            |own: &Option<String>| own.is_none() || namespace.is_none() || own.as_deref() == namespace;
        let written = self.streams.get(stream).into_iter().flatten().filter(|(own, ..)| agrees(own));
        let images: Vec<usize> = unique(written.clone().map(|(.., image)| *image).collect());
        if !images.is_empty() {
            let tags = written.map(|(_, tag, _)| tag.clone()).collect();
            return Meaning::OtherTag { external: name.to_string(), images, tags };
        }
        let imports = self.imports.get(stream).into_iter().flatten().filter(|(own, ..)| agrees(own));
        let repositories: BTreeSet<String> = imports
            .filter_map(|(.., from)| match from {
                ImageName::Reference(text) => Some(text.parse::<Reference>().ok()?.name()),
                _ => None,
            })
            .collect();
        let mut repositories = repositories.into_iter();
        match (repositories.next(), repositories.next()) {
            (Some(one), None) => Meaning::External(format!("{one}@{digest}")),
            _ => Meaning::Stream { name: name.to_string(), namespace: namespace.map(str::to_owned) },
        }
    }

    /// Images of the project whose names look like that of an image from outside: the same last part, perhaps with other
    /// punctuation.
    pub fn near(&self, external: &str, user: usize) -> Vec<usize> {
        // Who writes the name itself wraps the image from outside.
        let images = self.loose.get(&loose(last_part(external))).filter(|images| !images.contains(&user));
        images.into_iter().flatten().copied().collect()
    }

    /// The image of the project whose name was perhaps meant by a name with a slip in it.
    pub fn meant(&self, external: &str) -> Option<String> {
        let word = last_part(external);
        let mut slips = self.slips.borrow_mut();
        if let Some(known) = slips.get(word) {
            return known.clone();
        }
        if slips.len() >= MAX_SLIPS {
            return None;
        }
        let names = self.plain.keys().map(String::as_str);
        let mut candidates: Vec<&str> = names.filter(|name| *name != word && is_slip(word, name)).collect();
        candidates.sort_unstable();
        let meant = dockerfile::suggest::nearest(word, candidates).map(str::to_owned);
        slips.insert(word.to_owned(), meant.clone());
        meant
    }

    /// The place of the project's own outputs that a reference goes to as well: `quay.io/org`.
    pub fn own_place(&self, external: &str) -> Option<String> {
        let reference: Reference = external.parse().ok()?;
        let (organisation, _) = reference.path().rsplit_once('/')?;
        let place = format!("{}/{organisation}", reference.domain());
        self.places.contains(&place).then_some(place)
    }
}

/// The image stream that a path in a cluster's registry is.
fn stream_tag(reference: &Reference) -> Option<ImageName> {
    let (namespace, name) = reference.path().split_once('/')?;
    Some(ImageName::StreamTag {
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        tag: reference.tag()?.to_owned(),
    })
}

/// The last part of a reference's path, without tag and digest.
pub fn last_part(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

fn unique(mut images: Vec<usize>) -> Vec<usize> {
    images.sort_unstable();
    images.dedup();
    images
}
