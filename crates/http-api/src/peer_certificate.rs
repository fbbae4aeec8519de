use std::sync::Arc;

use actix_web::{HttpRequest, dev::Extensions};
use padan_verification::ClientCertificate;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use crate::connection::Transport;

/// The verified certificate that the client of a connection presented.
pub(crate) struct PeerCertificate(Arc<ClientCertificate>);

impl PeerCertificate {
    /// Stores it with a new connection, for all of its requests.
    pub(crate) fn store(transport: &Transport, data: &mut Extensions) {
        let presented = match transport {
            Transport::Plain(_) => None,
            Transport::Encrypted(stream) => stream.get_ref().1.peer_certificates(),
        };
        if let Some(certificate) = presented.and_then(<[_]>::first) {
            data.insert(Self(Arc::new(described(certificate))));
        }
    }

    /// The certificate of a request's connection.
    pub(crate) fn of(request: &HttpRequest) -> Option<Arc<ClientCertificate>> {
        request.conn_data::<Self>().map(|Self(certificate)| Arc::clone(certificate))
    }
}

fn described(certificate: &CertificateDer<'_>) -> ClientCertificate {
    let parsed = X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed);
    let extension = parsed.as_ref().and_then(|parsed| parsed.subject_alternative_name().ok().flatten());
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    ClientCertificate {
        sha256: Sha256::digest(certificate).into(),
        alternative_names: names.filter_map(as_text).collect(),
    }
}

/// The name as text, if rules can use its kind and it has the form of that kind. Otherwise an authority for mail
/// addresses could certify a host name.
fn as_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) if !name.contains(['@', ':', '/']) => Some(name.to_ascii_lowercase()),
        GeneralName::RFC822Name(name) if name.contains('@') && !name.contains(':') => {
            Some((*name).to_owned())
        }
        GeneralName::URI(name) if name.contains(':') => Some((*name).to_owned()),
        _ => None,
    }
}
