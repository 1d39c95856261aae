internal import Tandem
internal import TandemHTTP

/// Where the caller runs: the same hub and OS thread in both styles, a green thread in blocking style alone.
func whoAmI(_ style: Style) -> Response {
    Response([
        "style": .string(style.rawValue),
        "hub": Hub.current.map { .integer($0.index) } ?? .null,
        "osThread": .integer(GreenThreadIdentity.osThread),
        "greenThread": GreenThreadIdentity.current.map { .integer($0) } ?? .null,
    ])
}
