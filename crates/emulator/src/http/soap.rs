//! SOAP, as far as older clients sign in and out by it. Everything else is a fault.

use roxmltree::{Document, Node};

use super::{
    call::{Answer, Body, Call},
    session::is_user,
    state::State,
};
use crate::{
    USERNAME,
    schema::{ORGANIZATION, USER},
};

/// The largest request to sign in.
const LOGIN_MAX: usize = 10 * 1024;

const BAD_LOGIN: &str = "Invalid username, password, security token; or user locked out.";

/// `/services/Soap/u/<version>`: names are read without their prefix.
pub(crate) fn answer(state: &mut State, call: &Call, version: &str, host: &str) -> Answer {
    let text = String::from_utf8_lossy(&call.body);
    let Ok(document) = Document::parse(&text) else {
        return fault("SERVER_ERROR", "the envelope is not well-formed");
    };
    let root = document.root_element();
    if let Some(login) = child(root, "Body").and_then(|body| child(body, "login")) {
        if call.body.len() > LOGIN_MAX {
            return fault("INVALID_LOGIN", BAD_LOGIN);
        }
        return if is_user(value(login, "username"), value(login, "password")) {
            let token = state.sessions.begin();
            envelope(200, &result(&token, version, host))
        } else {
            fault("INVALID_LOGIN", BAD_LOGIN)
        };
    }
    if child(root, "Body").and_then(|body| child(body, "logout")).is_some() {
        let header = child(root, "Header").and_then(|header| child(header, "SessionHeader"));
        let token = header.map_or("", |header| value(header, "sessionId"));
        return if state.sessions.end(token) {
            envelope(200, "<logoutResponse/>")
        } else {
            fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader")
        };
    }
    fault("INVALID_OPERATION", "the emulator knows login and logout only")
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn value<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
    child(node, name).and_then(|child| child.text()).unwrap_or_default()
}

/// Clients read these elements by position: their order matters.
fn result(token: &str, version: &str, host: &str) -> String {
    let url =
        |kind| format!("http://{host}/services/Soap/{kind}/{version}/{}", &ORGANIZATION[..15]);
    let (metadata, partner) = (url("m"), url("u"));
    format!(
        "<loginResponse><result><metadataServerUrl>{metadata}</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
         <serverUrl>{partner}</serverUrl>\
         <sessionId>{token}</sessionId><userId>{USER}</userId><userInfo>\
         <accessibilityMode>false</accessibilityMode><chatterExternal>false</chatterExternal>\
         <currencySymbol>$</currencySymbol>\
         <orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit>\
         <orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode>\
         <orgDefaultCurrencyLocale>en_US</orgDefaultCurrencyLocale>\
         <orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments>\
         <orgHasPersonAccounts>false</orgHasPersonAccounts>\
         <organizationId>{ORGANIZATION}</organizationId>\
         <organizationMultiCurrency>false</organizationMultiCurrency>\
         <organizationName>Emulated</organizationName><profileId>00e000000000001AAA</profileId>\
         <roleId xsi:nil=\"true\"/><sessionSecondsValid>7200</sessionSecondsValid>\
         <userDefaultCurrencyIsoCode xsi:nil=\"true\"/><userEmail>{USERNAME}</userEmail>\
         <userFullName>Integration User</userFullName><userId>{USER}</userId>\
         <userLanguage>en_US</userLanguage><userLocale>en_US</userLocale>\
         <userName>{USERNAME}</userName><userTimeZone>GMT</userTimeZone>\
         <userType>Standard</userType><userUiSkin>Theme3</userUiSkin>\
         </userInfo></result></loginResponse>"
    )
}

fn fault(code: &str, text: &str) -> Answer {
    envelope(
        500,
        &format!(
            "<soapenv:Fault><faultcode>sf:{code}</faultcode>\
             <faultstring>{code}: {text}</faultstring><detail>\
             <sf:LoginFault xsi:type=\"sf:LoginFault\"><sf:exceptionCode>{code}</sf:exceptionCode>\
             <sf:exceptionMessage>{text}</sf:exceptionMessage></sf:LoginFault></detail>\
             </soapenv:Fault>"
        ),
    )
}

fn envelope(status: u16, body: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    );
    Answer { status, headers: Vec::new(), body: Body::Xml(text) }
}
