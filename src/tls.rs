//! Whose certificates a connection believes: the machine's own authorities, and those of an operator's file.

use reqwest::{Certificate, Client, ClientBuilder, Result};

/// Lets a connection believe the authorities of a PEM bundle too. It never stops believing the machine's own, and never believes a
/// certificate that is wrong: there is no switch for that.
pub fn trusting(builder: ClientBuilder, ca_pem: Option<&str>) -> Result<ClientBuilder> {
    Ok(match ca_pem {
        Some(pem) => builder.tls_certs_merge(Certificate::from_pem_bundle(pem.as_bytes())?),
        None => builder,
    })
}

/// What is wrong with a PEM bundle, as it stands after "this file".
pub fn check_bundle(pem: &str) -> std::result::Result<(), String> {
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("holds no -----BEGIN CERTIFICATE-----".into());
    }
    let built = trusting(Client::builder(), Some(pem)).and_then(ClientBuilder::build);
    built.map(drop).map_err(|_| "holds something that is no certificate".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bundle_of_certificates_is_refused() {
        for bad in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN PUBLIC KEY-----\nAAAA\n"] {
            assert!(check_bundle(bad).is_err(), "{bad}");
        }
        let certificate = include_str!("../tests/fixtures/private-ca.pem");
        assert_eq!(check_bundle(certificate), Ok(()));
        assert_eq!(check_bundle(&format!("{certificate}\n{certificate}")), Ok(()));
        assert!(check_bundle(&format!("{certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
    }
}
