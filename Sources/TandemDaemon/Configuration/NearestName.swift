/// Returns "; did you mean …?" with the known name that is nearest to a mistyped one, or an empty text if no name is near.
func suggestion(for name: String, among known: [String]) -> String {
    let ranked = known.map { (name: $0, distance: editDistance(name, $0)) }
    guard let nearest = ranked.min(by: { $0.distance < $1.distance }), nearest.distance <= max(2, name.utf8.count / 3) else {
        return ""
    }
    return "; did you mean \(nearest.name)?"
}

/// Returns the number of bytes to insert, delete or change to turn one text into the other (Levenshtein distance).
func editDistance(_ a: String, _ b: String) -> Int {
    let b = Array(b.utf8)
    var row = Array(0...b.count)
    for (i, byte) in a.utf8.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let changed = diagonal + (byte == b[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
