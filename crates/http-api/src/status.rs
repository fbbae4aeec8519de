use actix_web::http::StatusCode;
use padan_domain::ReasonCode;

/// The HTTP status of a reason.
pub(crate) fn status_of(reason: ReasonCode) -> StatusCode {
    match reason {
        ReasonCode::Verified
        | ReasonCode::NikNotFound
        | ReasonCode::NikDeceased
        | ReasonCode::NikDuplicate
        | ReasonCode::NikInactive
        | ReasonCode::NameMismatch
        | ReasonCode::DobMismatch
        | ReasonCode::FieldMismatch
        | ReasonCode::NoReferencePhoto
        | ReasonCode::FaceMismatch
        | ReasonCode::FacesMatch
        | ReasonCode::FacesDiffer
        | ReasonCode::NoFaceCaptured
        | ReasonCode::NoFaceStored
        | ReasonCode::ManyFacesCaptured
        | ReasonCode::ManyFacesStored
        | ReasonCode::SpoofLow
        | ReasonCode::SpoofModerate
        | ReasonCode::SpoofHigh
        | ReasonCode::NoFaceToJudge
        | ReasonCode::TooManyFacesToJudge
        | ReasonCode::Served => StatusCode::OK,
        ReasonCode::InvalidNik
        | ReasonCode::InvalidName
        | ReasonCode::InvalidDob
        | ReasonCode::InvalidField
        | ReasonCode::MissingField
        | ReasonCode::MalformedForm
        | ReasonCode::ImageUnreadable
        | ReasonCode::ImageTooLarge
        | ReasonCode::NoFace
        | ReasonCode::FaceCovered
        | ReasonCode::SpoofSuspected
        | ReasonCode::SeveralFaces
        | ReasonCode::FaceTooSmall
        | ReasonCode::FaceBlurred
        | ReasonCode::FaceTooDark
        | ReasonCode::FaceTooBright
        | ReasonCode::FaceTurned => StatusCode::BAD_REQUEST,
        ReasonCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ReasonCode::Forbidden => StatusCode::FORBIDDEN,
        ReasonCode::NotFound => StatusCode::NOT_FOUND,
        ReasonCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ReasonCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ReasonCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ReasonCode::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ReasonCode::UnsupportedMediaType | ReasonCode::UnsupportedImage => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ReasonCode::TooManyFailedFaces
        | ReasonCode::TooManyFailedFields
        | ReasonCode::Overloaded
        | ReasonCode::RateLimited
        | ReasonCode::QuotaExceeded
        | ReasonCode::TooManyFailures => StatusCode::TOO_MANY_REQUESTS,
        ReasonCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ReasonCode::RegistryUnavailable | ReasonCode::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}
