//! What a build may be made of: a lock's bases, and results of earlier builds that still hold.

use oci::record::Record;
use oci::{Digest, Platform, Reference};

use crate::plan::{BaseImage, ImageError, ImageName, Images};

/// Decides what goes into a build, where something does. One value serves a whole build, from several threads.
pub trait Materials: Sync {
    /// The manifest that a reference must be for a platform; nothing where that is free.
    ///
    /// # Errors
    /// It may not be used at all; the words say what to do about it.
    fn base(&self, reference: &Reference, platform: &Platform) -> Result<Option<Digest>, String>;

    /// Told what a reference was.
    fn took(&self, reference: &Reference, platform: &Platform, manifest: Digest);

    /// Whether an earlier result still holds. If not, its step runs again.
    fn holds(&self, record: &Record) -> bool;
}

/// Images, as the materials say.
pub struct MaterialImages<'a, I> {
    /// Where they come from.
    pub images: I,
    /// What decides.
    pub materials: Option<&'a dyn Materials>,
}

impl<I: Images> Images for MaterialImages<'_, I> {
    fn image(&self, name: ImageName<'_>, platform: &Platform) -> Result<BaseImage, ImageError> {
        let (Some(materials), ImageName::Reference(text)) = (self.materials, &name) else {
            return self.images.image(name, platform);
        };
        // What is no reference is an image's id, which names its content itself.
        let Ok(reference) = text.parse::<Reference>() else { return self.images.image(name, platform) };
        let not_found = |hint| ImageError::NotFound { name: (*text).to_owned(), hint: Some(hint) };
        let image = match materials.base(&reference, platform).map_err(not_found)? {
            None => self.images.image(name, platform)?,
            Some(digest) => {
                let exactly = reference.with_digest(digest).to_string();
                let image = self.images.image(ImageName::Reference(&exactly), platform)?;
                BaseImage { name: (*text).to_owned(), ..image }
            }
        };
        materials.took(&reference, platform, image.digest);
        Ok(image)
    }
}
