//! Where the builds of a project meet: what each has planned, the layers that it made, and how it ended.
//!
//! A plan gives an image's configuration, so an image that stands on another is planned as soon as that one is; only its
//! stages that need the other's files wait for them. An image is whole only when all are that it stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use oci::{Digest, Platform};

use crate::engine::board::{Cancel, Stopped};
use crate::engine::commons::Commons;
use crate::engine::error::BuildError;
use crate::engine::layers::Layers;
use crate::plan::{BaseImage, Found, ImageError, Plan};
use crate::schedule::{Need, Rank};

/// The project's images as far as they have got.
pub struct Desk {
    names: Vec<String>,
    places: Mutex<Vec<Place>>,
    changed: Condvar,
}

#[derive(Default)]
struct Place {
    /// One image for each platform; an error if it will never be planned.
    planned: Option<Result<Vec<(Platform, BaseImage)>, Stopped>>,
    /// By position of the platform.
    made: BTreeMap<usize, Layers>,
    /// Whether it is whole; nothing as long as it is on its way.
    whole: Option<bool>,
    /// When it must be done.
    deadline: Option<Instant>,
}

impl Desk {
    /// Nothing is there yet.
    pub fn new(names: Vec<String>) -> Desk {
        let places = names.iter().map(|_| Place::default()).collect();
        Desk { names, places: Mutex::new(places), changed: Condvar::new() }
    }

    /// Has everybody who waits look whether they still have to.
    pub fn wake(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Says how an image ended. Who waits for more of it hears now that there will be none.
    pub fn end(&self, image: usize, whole: bool) {
        if let Some(place) = self.lock().get_mut(image) {
            place.whole = Some(whole);
            place.deadline = None;
            if !whole {
                place.planned.get_or_insert(Err(Stopped));
            }
        }
        self.changed.notify_all();
    }

    /// Waits until it is `until`, or something changes, unless it is `over`.
    pub fn wait_until(&self, until: Instant, over: &dyn Fn() -> bool) {
        let places = self.lock();
        if !over() {
            let left = until.saturating_duration_since(Instant::now());
            drop(self.changed.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Waits until some images' time is up; answers which. None of them, when it is `over`.
    pub fn overdue(&self, over: &dyn Fn() -> bool) -> Vec<usize> {
        let mut places = self.lock();
        loop {
            let now = Instant::now();
            let mut late = Vec::new();
            for (image, place) in places.iter_mut().enumerate() {
                if place.deadline.is_some_and(|deadline| deadline <= now) {
                    place.deadline = None;
                    late.push(image);
                }
            }
            if over() || !late.is_empty() {
                return late;
            }
            let wait = &self.changed;
            places = match places.iter().filter_map(|place| place.deadline).min() {
                None => wait.wait(places).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let left = next.saturating_duration_since(now);
                    wait.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Waits until `look` has an answer.
    fn wait<T>(
        &self,
        mut look: impl FnMut(&mut [Place]) -> Option<Result<T, Stopped>>,
        seat: &Seat<'_>,
    ) -> Result<T, Stopped> {
        let mut places = self.lock();
        loop {
            if let Some(answer) = look(&mut places) {
                return answer;
            }
            if seat.is_stopped() {
                return Err(Stopped);
            }
            places = self.changed.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A build's place among those of its project.
pub struct Seat<'a> {
    /// The image's position in the project.
    pub image: usize,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Stops this build.
    pub cancel: Cancel,
    pub(crate) desk: &'a Desk,
    pub(crate) commons: Arc<Commons>,
    pub(crate) rank: Rank,
    pub(crate) need: Need,
    pub(crate) timeout: Option<std::time::Duration>,
    /// Which image of the project a name means for this one.
    pub(crate) names: &'a (dyn Fn(&str) -> Option<usize> + Sync),
    /// The image's plans, kept over its attempts: others have planned by them.
    pub(crate) plans: &'a OnceLock<Vec<Plan>>,
    /// The images of the project that this one stands on.
    pub(crate) used: &'a Mutex<BTreeSet<usize>>,
    /// One of them that there will never be.
    pub(crate) lost: Mutex<Option<usize>>,
    /// The build is over, one way or another: nobody of it waits any more.
    pub(crate) over: AtomicBool,
}

impl Seat<'_> {
    /// The images of the project that this one turned out to stand on.
    pub fn stands_on(&self) -> Vec<usize> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// The image for want of which this one could not be built.
    pub fn lost(&self) -> Option<usize> {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another image of the project by the name that a Dockerfile has for it; waits for its plan. `None`: no image of the
    /// project has that name.
    pub(crate) fn image(&self, name: &str, platform: &Platform) -> Option<Result<BaseImage, ImageError>> {
        let image = (self.names)(name).filter(|image| *image != self.image)?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(image);
        let planned = self.desk.wait(|places| places.get(image)?.planned.clone(), self);
        Some(match planned {
            Err(Stopped) => {
                self.lose(image);
                Err(ImageError::Project { name: name.to_owned(), image: self.name_of(image) })
            }
            Ok(all) => match all.iter().find(|(known, _)| known == platform) {
                Some((_, base)) => Ok(BaseImage { name: name.to_owned(), ..base.clone() }),
                None => Err(ImageError::Platform {
                    name: name.to_owned(),
                    platform: platform.to_string(),
                    available: all.iter().map(|(known, _)| known.to_string()).collect(),
                }),
            },
        })
    }

    /// Says what the image will be, so that others can be planned on it.
    pub(crate) fn announce(&self, plans: &[Plan]) {
        let name = self.name_of(self.image);
        let base = |(platform, plan): (usize, &Plan)| {
            let stage = plan.stage(plan.target)?;
            let mut config = stage.config.clone();
            config.rootfs.diff_ids.clear();
            let image = BaseImage {
                name: name.clone(),
                // It has none before its layers are there.
                digest: Digest::of(name.as_bytes()),
                epoch: config.created.as_deref().and_then(oci::time::parse_rfc3339),
                config,
                layers: Vec::new(),
                found: Some(Found::Project { image: self.image, platform }),
            };
            Some((plan.platform.clone(), image))
        };
        let bases = plans.iter().enumerate().filter_map(base).collect();
        if let Some(place) = self.desk.lock().get_mut(self.image) {
            place.planned.get_or_insert(Ok(bases));
        }
        self.desk.changed.notify_all();
    }

    /// Waits for the layers of another image.
    pub(crate) fn layers(&self, image: usize, platform: usize) -> Result<Layers, Stopped> {
        let look = |places: &mut [Place]| {
            let place = places.get(image)?;
            match place.made.get(&platform) {
                Some(layers) => Some(Ok(layers.clone())),
                None => (place.whole == Some(false)).then_some(Err(Stopped)),
            }
        };
        let layers = self.desk.wait(look, self);
        if layers.is_err() && !self.is_stopped() {
            self.lose(image);
        }
        layers
    }

    /// Gives the image's layers to those that wait for them.
    pub(crate) fn give(&self, platform: usize, layers: &Layers) {
        if let Some(place) = self.desk.lock().get_mut(self.image) {
            place.made.insert(platform, layers.clone());
        }
        self.desk.changed.notify_all();
    }

    /// Waits until every image that this one stands on is whole.
    pub(crate) fn wait_for_bases(&self) -> Result<(), Stopped> {
        self.stands_on().into_iter().try_for_each(|image| self.wait_for(image))
    }

    /// Waits until another image, which comes before this one, is whole: its files are wanted before anything is planned.
    ///
    /// # Errors
    /// There will be none, or this build is stopped.
    pub fn await_whole(&self, image: usize) -> Result<(), BuildError> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(image);
        self.wait_for(image)
            .map_err(|Stopped| self.loss().unwrap_or_else(|| BuildError::Cancelled(Box::default())))
    }

    fn wait_for(&self, image: usize) -> Result<(), Stopped> {
        let look = |places: &mut [Place]| match places.get(image)?.whole? {
            true => Some(Ok(())),
            false => Some(Err(Stopped)),
        };
        let waited = self.desk.wait(look, self);
        if waited.is_err() && !self.is_stopped() {
            self.lose(image);
        }
        waited
    }

    /// The error of a build that lacks another image.
    pub(crate) fn loss(&self) -> Option<BuildError> {
        self.lost().map(|image| BuildError::Needs { image: self.name_of(image) })
    }

    /// The first of its steps begins: from now on its time runs.
    pub(crate) fn begin(&self) {
        let Some(timeout) = self.timeout else { return };
        if let Some(place) = self.desk.lock().get_mut(self.image) {
            place.deadline.get_or_insert_with(|| Instant::now() + timeout);
        }
        self.desk.changed.notify_all();
    }

    fn lose(&self, image: usize) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(image);
    }

    fn name_of(&self, image: usize) -> String {
        self.desk.names.get(image).cloned().unwrap_or_default()
    }

    fn is_stopped(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.cancel.is_cancelled()
    }

    /// Lets everybody return who waits here for this build, or lets them wait again.
    pub(crate) fn set_over(&self, over: bool) {
        self.over.store(over, Ordering::Relaxed);
        self.desk.wake();
    }
}
