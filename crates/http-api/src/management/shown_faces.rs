//! The aligned faces of a verification or a comparison by hand, which only some roles see.

use actix_web::{HttpResponse, web::Bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use padan_domain::Endpoint;
use padan_verification::{FaceCrop, ShownFaces, VerificationError};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{call::Call, fault::Fault};

/// The query of a verification by hand.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FacesQuery {
    faces: bool,
}

/// The aligned crops of two faces that were compared: 112 x 112 pixels each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Faces {
    /// The face in the selfie, or in the new photo: a PNG file as a `data:` address.
    #[schema(value_type = Option<String>)]
    probe: Option<Picture>,
    /// The face in the portrait, or in the stored photo; null when no face was found in it.
    #[schema(value_type = Option<String>)]
    reference: Option<Picture>,
    /// The reason code when the portrait or the engine did not answer in time; then there is no picture.
    fault: Option<&'static str>,
}

/// A picture as a `data:` address, which is overwritten after use.
#[derive(Debug)]
struct Picture(Zeroizing<String>);

/// The size of an answer with two pictures, so that its buffer need not grow and leave a copy.
const ANSWER_BYTES: usize = 160 * 1024;

/// Whether faces are asked for.
pub(super) fn are_wanted(call: &Call) -> Result<bool, Fault> {
    let FacesQuery { faces } = call.query()?;
    if faces && !call.may_see_faces { Err(Fault::Forbidden) } else { Ok(faces) }
}

impl Faces {
    /// Records the look, and makes the crops. If the row cannot be written, there is no crop.
    pub(super) async fn show(
        call: &Call,
        endpoint: Endpoint,
        crops: impl Future<Output = Result<ShownFaces, VerificationError>>,
    ) -> Result<Self, Fault> {
        call.mandate.begin_showing_faces(endpoint).await?;
        Ok(match crops.await {
            Ok(ShownFaces { probe, reference }) => Self {
                probe: probe.as_ref().map(Picture::of),
                reference: reference.as_ref().map(Picture::of),
                fault: None,
            },
            Err(error) => {
                tracing::warn!(
                    "the faces of a verification by hand cannot be shown: {}",
                    error.with_causes()
                );
                Self { probe: None, reference: None, fault: Some(error.reason().as_str()) }
            }
        })
    }
}

/// An answer whose body is overwritten when it has been sent.
pub(super) fn wiped(answer: &impl Serialize) -> Result<HttpResponse, Fault> {
    let mut body = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES));
    serde_json::to_writer(&mut *body, answer).map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(Bytes::from_owner(body)))
}

impl Picture {
    fn of(crop: &FaceCrop) -> Self {
        const PREFIX: &str = "data:image/png;base64,";
        let mut address =
            Zeroizing::new(String::with_capacity(PREFIX.len() + crop.png().len().div_ceil(3) * 4));
        address.push_str(PREFIX);
        STANDARD.encode_string(crop.png(), &mut address);
        Self(address)
    }
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
