use std::time::Instant;

use padan_domain::{ClientName, NationalId, Photo};
use padan_inference::{Engine, FaceCrop, FaceError};

use crate::{
    deadline::{engine_error, within},
    error::VerificationError,
    verifier::Verifier,
};

/// The aligned crops of two faces that were compared, to be shown to an operator.
#[derive(Debug)]
pub struct ShownFaces {
    /// The face in the selfie, or in the first photo.
    pub probe: Option<FaceCrop>,
    /// The face in the portrait, or in the second photo; `None` when there is none, or no face was found in it.
    pub reference: Option<FaceCrop>,
}

impl Verifier {
    /// The crops of a selfie and of the person's portrait, which is read from the registry as for a template. Neither is
    /// kept.
    ///
    /// # Errors
    ///
    /// [`VerificationError`] when the registry or the engine does not answer before the deadline.
    pub async fn faces_of_person(
        &self,
        client: &ClientName,
        nik: &NationalId,
        selfie: Photo,
        deadline: Instant,
    ) -> Result<ShownFaces, VerificationError> {
        let engine = self.engine_for(client);
        let portrait = async {
            let read = within(deadline, self.parts.registry.portrait(nik)).await;
            let portrait = read.map_err(VerificationError::RegistryUnavailable)?;
            let photo = portrait.and_then(|portrait| Photo::try_from(portrait.bytes?).ok());
            crop(&engine, photo, deadline).await
        };
        let (probe, reference) = tokio::join!(crop(&engine, Some(selfie), deadline), portrait);
        Ok(ShownFaces { probe: probe?, reference: reference? })
    }

    /// The crops of two photos.
    ///
    /// # Errors
    ///
    /// [`VerificationError`] when the engine does not answer before the deadline.
    pub async fn faces_of_photos(
        &self,
        client: &ClientName,
        [first, second]: [Photo; 2],
        deadline: Instant,
    ) -> Result<ShownFaces, VerificationError> {
        let engine = self.engine_for(client);
        let crops = tokio::join!(crop(&engine, Some(first), deadline), crop(&engine, Some(second), deadline));
        Ok(ShownFaces { probe: crops.0?, reference: crops.1? })
    }
}

/// The crop of a photo's face; `None` for a photo without one.
async fn crop(
    engine: &Engine,
    photo: Option<Photo>,
    deadline: Instant,
) -> Result<Option<FaceCrop>, VerificationError> {
    let Some(photo) = photo else { return Ok(None) };
    match within(deadline, engine.crop(photo, deadline)).await {
        Ok(crop) => Ok(Some(crop)),
        Err(cause) => match cause.downcast_ref::<FaceError>() {
            Some(FaceError::Rejected(_)) => Ok(None),
            Some(_) | None => Err(engine_error(cause)),
        },
    }
}
