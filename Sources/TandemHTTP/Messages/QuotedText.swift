/// Returns a value that a client sent, in quotes, for a sentence that goes back to it: at most 60 characters, and control
/// characters escaped.
package func quoted(_ text: some StringProtocol) -> String {
    let end = text.index(text.startIndex, offsetBy: 60, limitedBy: text.endIndex) ?? text.endIndex
    var quoted = "\""
    for scalar in text[..<end].unicodeScalars.prefix(240) {
        switch scalar {
        case "\"", "\\":
            quoted += "\\"
            quoted.unicodeScalars.append(scalar)
        case _
        where scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
            || scalar.properties.generalCategory == .lineSeparator || scalar.properties.generalCategory == .paragraphSeparator:
            quoted += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + (end < text.endIndex ? "…\"" : "\"")
}
