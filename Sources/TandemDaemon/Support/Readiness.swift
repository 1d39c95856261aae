/// The phase and the readiness of the service, for `/readyz`.
struct Readiness: Sendable {
    /// The name of the phase: "starting", "serving", "draining", …
    let phase: String
    /// Whether load balancers should send requests to the service.
    let isReady: Bool
}
