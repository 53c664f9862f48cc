//! The plans of a request, one for each platform, and what is to be said about them.

use dockerfile::ignore::Patterns;
use dockerfile::{Diagnostic, Dockerfile};
use oci::Platform;

use super::error::BuildError;
use super::event::Event;
use super::images::StoreImages;
use super::materials::MaterialImages;
use super::request::Request;
use super::storm::Seat;
use super::world::Doors;
use crate::plan::{BaseImage, ImageError, ImageName, Images, Plan, PlanRequest, plan};

/// Warnings that are shown one by one: nobody reads more, and each costs a look at the whole file.
const MOST_WARNINGS: usize = 50;

/// Plans a request for each of its platforms, without building anything.
///
/// # Errors
/// The Dockerfile is wrong, or a base image is not to be had.
pub fn plans(request: &Request, doors: &Doors<'_>) -> Result<Vec<Plan>, BuildError> {
    plans_among(request, doors, None)
}

/// The same for one build of several, whose bases may be images that are built beside it.
///
/// # Errors
/// The Dockerfile is wrong, or a base image is not to be had.
pub fn plans_among(
    request: &Request,
    doors: &Doors<'_>,
    seat: Option<&Seat<'_>>,
) -> Result<Vec<Plan>, BuildError> {
    let (dockerfile, found) = dockerfile::parse(&request.source.text);
    // What is wrong with it is told when the context is opened.
    let ignore = request.ignore.as_ref().map(|source| Patterns::parse(&source.text).0);
    let images = StoreImages::new(doors.store, doors.upstream, request.pull)
        .bare(!request.finishing.authorities.is_empty());
    let images = ProjectImages { seat, others: MaterialImages { images, materials: doors.materials } };
    let given = !request.platforms.is_empty();
    let platforms = if given { request.platforms.clone() } else { vec![request.build_platform.clone()] };
    let mut plans = Vec::with_capacity(platforms.len());
    for (number, platform) in platforms.into_iter().enumerate() {
        let asked = PlanRequest {
            ignore: ignore.as_ref(),
            ..plan_request(request, (&dockerfile, &found), platform, given)
        };
        let planned = plan(&asked, &images).map_err(|error| BuildError::Dockerfile {
            diagnostics: error.diagnostics,
            images: error.images,
        })?;
        if number == 0 {
            for diagnostic in planned.warnings.iter().take(MOST_WARNINGS) {
                let rendered = dockerfile::render(&request.source, std::slice::from_ref(diagnostic), false);
                doors.events.event(Event::Warning { message: rendered.trim_end().to_owned(), step: None });
            }
            if let Some(more @ 1..) = planned.warnings.len().checked_sub(MOST_WARNINGS) {
                let message = format!("{more} more warnings like these");
                doors.events.event(Event::Warning { message, step: None });
            }
            for name in &planned.unused_build_args {
                let message = format!("build argument `{name}` is declared nowhere in the Dockerfile");
                doors.events.event(Event::Warning { message, step: None });
            }
        }
        plans.push(planned.plan);
    }
    Ok(plans)
}

/// Images of the project, and all others.
struct ProjectImages<'a, I> {
    seat: Option<&'a Seat<'a>>,
    others: I,
}

impl<I: Images> Images for ProjectImages<'_, I> {
    fn image(&self, name: ImageName<'_>, platform: &Platform) -> Result<BaseImage, ImageError> {
        if let (ImageName::Reference(text), Some(seat)) = (name, self.seat)
            && let Some(found) = seat.image(text, platform)
        {
            return found;
        }
        self.others.image(name, platform)
    }
}

fn plan_request<'a>(
    request: &'a Request,
    (dockerfile, parsed): (&'a Dockerfile, &'a [Diagnostic]),
    platform: oci::Platform,
    platform_given: bool,
) -> PlanRequest<'a> {
    PlanRequest {
        dockerfile,
        parsed,
        target: request.target.as_deref(),
        platform,
        platform_given,
        build_platform: request.build_platform.clone(),
        build_args: &request.build_args,
        contexts: &request.named_contexts,
        ignore: None,
        labels: &request.labels,
        from_override: request.from_override.as_deref(),
        last_from_override: request.last_from_override.as_deref(),
        stage_env: &request.stage_env,
        permissions: request.permissions,
        network: request.network,
        epoch: request.epoch,
    }
}
