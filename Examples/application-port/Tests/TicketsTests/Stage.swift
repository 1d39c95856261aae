import Testing

/// A stage of the port, and the handlers of stage 2.
enum Stage: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case stage0, stage1, stage2
    case stage2New = "stage 2 with its new handlers"
    case stage3

    var executable: String { self == .stage2New ? "stage2" : rawValue }

    /// Environment variables beside those that all stages share.
    var environment: [String: String] {
        guard self == .stage2New else { return [:] }
        let routes = [
            "GET /tickets", "POST /tickets", "GET /tickets/{id}", "GET /tickets/{id}/price", "PUT /tickets/{id}/attachment",
            "GET /tickets/{id}/attachment",
        ]
        return ["TICKETS_MIGRATE_ROUTES": routes.map { "\($0) new" }.joined(separator: ",")]
    }

    var testDescription: String { rawValue }
}
