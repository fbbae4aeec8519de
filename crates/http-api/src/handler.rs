use actix_web::{HttpRequest, web};
use padan_verification::Verifier;

use crate::{
    admission::{Admission, AdmittedCall, Answer},
    field::FieldNames,
    form::Form,
    refusal::Refusal,
    verification::{Verdict, Verification},
    visit::Visit,
};

/// Handles a request for any audited endpoint.
pub(crate) async fn handle<V: Verification>(
    request: HttpRequest,
    visit: Visit,
    admission: web::Data<Admission>,
    verifier: web::Data<Verifier>,
) -> Answer {
    match admission.admit::<V>(&request, visit).await {
        Ok(mut call) => {
            let result = verify(&mut call, &request, &verifier).await;
            call.answer(result).await
        }
        Err(refused) => refused,
    }
}

async fn verify<V: Verification>(
    call: &mut AdmittedCall<V>,
    request: &HttpRequest,
    verifier: &Verifier,
) -> Result<Verdict<V::Body>, Refusal> {
    let names = FieldNames { all: &V::fields(), files: V::PHOTOS };
    let form = Form::read(call.body(), request, names).await?;
    let (caller, findings) = call.caller_and_findings();
    let claims = V::parse(&form, caller, verifier, findings)?;
    // The only place where the two ways part.
    if caller.client.is_sandbox {
        V::rehearse(verifier.sandbox(), claims).await
    } else {
        V::verify(verifier, claims).await
    }
}
