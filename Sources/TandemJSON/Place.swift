/// The way from the whole text to one value in it: names of members and indices of elements.
final class Place: Sendable {
    /// One step of the way. Also the coding key that errors have for it.
    enum Step: CodingKey {
        case name(String)
        case index(Int)

        init?(stringValue: String) { self = .name(stringValue) }
        init?(intValue: Int) { self = .index(intValue) }

        var stringValue: String {
            switch self {
            case .name(let name): name
            case .index(let index): String(index)
            }
        }

        var intValue: Int? {
            switch self {
            case .name: nil
            case .index(let index): index
            }
        }
    }

    private let parent: Place?
    private let step: Step

    init(_ parent: Place?, _ step: Step) {
        self.parent = parent
        self.step = step
    }

    /// The steps from the whole text to this place.
    static func path(to place: Place?) -> [any CodingKey] {
        var path: [any CodingKey] = []
        var place = place
        while let here = place {
            path.append(here.step)
            place = here.parent
        }
        return path.reversed()
    }
}
