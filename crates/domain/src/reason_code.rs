use std::fmt;

macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident => $code:literal, $reason:expr;)+) => {
        /// The stable code of a request's outcome: the `Reason-Code` header, the metric label, the audit column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ReasonCode {
            /// Every code, in the order of the table in the OpenAPI document.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The upper-case code.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The text of `reason` in a response, in its general form. For a code that concerns one field, the
            /// response inserts the field's name.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)+ }
            }
        }
    };
}

reason_codes! {
    /// All fields and the face match.
    Verified => "VERIFIED", "Verification Success";
    /// The registry has no such NIK.
    NikNotFound => "NIK_NOT_FOUND", "NIK not found on Dukcapil database";
    /// The registry has the person as deceased.
    NikDeceased => "NIK_DECEASED", "NIK is registered as deceased";
    /// The registry has the record as a duplicate.
    NikDuplicate => "NIK_DUPLICATE", "NIK is registered as duplicate";
    /// The registry has the record as no longer valid.
    NikInactive => "NIK_INACTIVE", "NIK is registered as inactive";
    /// The name differs.
    NameMismatch => "NAME_MISMATCH", "Name does not match";
    /// The date of birth differs.
    DobMismatch => "DOB_MISMATCH", "Date of birth does not match";
    /// Another field of basic verification differs.
    FieldMismatch => "FIELD_MISMATCH", "field does not match";
    /// The registry has no usable photo of the person.
    NoReferencePhoto => "NO_REFERENCE_PHOTO", "No reference photo for this NIK";
    /// The faces are less similar than the pass mark.
    FaceMismatch => "FACE_MISMATCH", "Selfie image does not pass the threshold";
    /// The two faces match.
    FacesMatch => "MATCH", "match";
    /// The two faces are less similar than the pass mark.
    FacesDiffer => "NOT_MATCH", "not match";
    /// No face was found in the captured photo.
    NoFaceCaptured => "NO_FACE_CAPTURED_IMG", "no face detected in captured_image";
    /// No face was found in the stored photo.
    NoFaceStored => "NO_FACE_STORED_IMG", "no face detected in stored_image";
    /// It is not clear which of several faces in the captured photo is meant.
    ManyFacesCaptured => "MANY_FACES_CAPTURED_IMG", "many faces detected in captured_image";
    /// It is not clear which of several faces in the stored photo is meant.
    ManyFacesStored => "MANY_FACES_STORED_IMG", "many faces detected in stored_image";
    /// The face is hardly like a presentation attack.
    SpoofLow => "SPOOF_LOW", "LOW";
    /// The face may be a presentation attack.
    SpoofModerate => "SPOOF_MODERATE", "MODERATE";
    /// The face is like a presentation attack.
    SpoofHigh => "SPOOF_HIGH", "HIGH";
    /// No face was found that could be judged for liveness.
    NoFaceToJudge => "FACE_NOT_DETECTED", "face not detected";
    /// It is not clear which of several faces is to be judged for liveness.
    TooManyFacesToJudge => "TOO_MANY_FACES_DETECTED", "too many faces detected";
    /// The NIK is not 16 digits.
    InvalidNik => "INVALID_NIK", "Invalid NIK number format";
    /// The name has no letter or digit, or is too long.
    InvalidName => "INVALID_NAME", "Invalid name format";
    /// The date is not `dd-mm-yyyy`, does not exist, or lies in the future.
    InvalidDob => "INVALID_DOB", "Invalid date_of_birth format";
    /// Another field of basic verification is too long or not of its form.
    InvalidField => "INVALID_FIELD", "Invalid field format";
    /// A required field was not sent.
    MissingField => "MISSING_FIELD", "field is required";
    /// The form is incomplete, or has a field twice.
    MalformedForm => "MALFORMED_FORM", "Malformed multipart form";
    /// The photo cannot be decoded.
    ImageUnreadable => "IMAGE_UNREADABLE", "face_image cannot be decoded";
    /// The photo has too many pixels.
    ImageTooLarge => "IMAGE_TOO_LARGE", "face_image is too large";
    /// No face was found.
    NoFace => "NO_FACE", "No face detected in face_image";
    /// A part of the face is covered, or lies beyond the photo's edge.
    FaceCovered => "FACE_COVERED", "Face in face_image is covered or cut off";
    /// By the liveness set, the face may be a presentation attack. Only if the site has turned this on.
    SpoofSuspected => "SPOOF_SUSPECTED", "face_image may be a photo of a photo";
    /// It is not clear which of several faces is meant.
    SeveralFaces => "SEVERAL_FACES", "More than one face detected in face_image";
    /// The face has too few pixels.
    FaceTooSmall => "FACE_TOO_SMALL", "Face in face_image is too small";
    /// The face is not sharp.
    FaceBlurred => "FACE_BLURRED", "Face in face_image is too blurred";
    /// The face is underexposed.
    FaceTooDark => "FACE_TOO_DARK", "Face in face_image is too dark";
    /// The face is overexposed.
    FaceTooBright => "FACE_TOO_BRIGHT", "Face in face_image is too bright";
    /// The face is not frontal.
    FaceTurned => "FACE_TURNED", "Face in face_image is turned too far";
    /// A document was requested, and nothing was judged.
    Served => "OK", "OK";
    /// Credentials are missing or wrong.
    Unauthorized => "UNAUTHORIZED", "Missing or wrong credentials";
    /// The client is disabled, or its rules do not allow the network, the certificate or the endpoint.
    Forbidden => "FORBIDDEN", "Client is not allowed";
    /// The path does not exist.
    NotFound => "NOT_FOUND", "Not found";
    /// The path does not support this method.
    MethodNotAllowed => "METHOD_NOT_ALLOWED", "Method not allowed";
    /// The request's body did not arrive in time.
    RequestTimeout => "REQUEST_TIMEOUT", "Request timed out";
    /// The request's body is over the limit.
    BodyTooLarge => "BODY_TOO_LARGE", "Request body is too large";
    /// The request has more or longer headers than the server reads.
    HeadersTooLarge => "HEADERS_TOO_LARGE", "Request has more than 96 headers, or headers above 128 KB";
    /// The request's body is neither a multipart form nor JSON.
    UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be multipart/form-data or application/json";
    /// The photo is neither PNG nor JPEG.
    UnsupportedImage => "UNSUPPORTED_IMAGE", "face_image must be PNG or JPEG";
    /// Too many faces have failed or were compared for this person.
    TooManyFailedFaces => "TOO_MANY_FAILED_FACES", "Too many failed attempts for this NIK";
    /// The client has asked about this person, or about many persons, with too many wrong fields or unknown NIKs.
    TooManyFailedFields => "TOO_MANY_FAILED_FIELDS", "Too many failed attempts";
    /// The service has too many requests.
    Overloaded => "OVERLOADED", "Too many requests";
    /// The client calls faster than its rate allows.
    RateLimited => "RATE_LIMITED", "Request rate exceeded";
    /// The client's quota of the day or the month is used up.
    QuotaExceeded => "QUOTA_EXCEEDED", "Quota exceeded";
    /// Too many wrong credentials came from the caller's address.
    TooManyFailures => "TOO_MANY_FAILURES", "Too many failed credentials";
    /// A fault of the service itself.
    Internal => "INTERNAL", "Internal server error";
    /// The registry did not answer.
    RegistryUnavailable => "REGISTRY_UNAVAILABLE", "Something wrong in Dukcapil server";
    /// The service's own database did not answer.
    StoreUnavailable => "STORE_UNAVAILABLE", "Something wrong in Dukcapil server";
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_upper_case() {
        let mut codes: Vec<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ReasonCode::ALL.len());
    }
}
