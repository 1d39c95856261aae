import HTTPTypes
import Tandem
import Testing

@testable import TandemHTTP

struct RouteMigrationTests {
    @Test(arguments: [
        "GET /users/{id} old", "GET / new", "GET / new verify=0.1 control=10", "POST /orders percent 12.5 by=header:X-Tenant",
        "GET / percent 0.001 by=peer", "GET / percent 100 by=request", "DELETE /a/b percent 5 by=cookie:session",
        "GET / shadow 5 control=20",
    ])
    func `an item is read and written alike`(text: String) throws {
        #expect(try #require(RouteMigration(text)).description == text)
    }

    @Test
    func `missing numbers have defaults`() {
        #expect(RouteMigration("GET / shadow")?.migration == .shadow)
        #expect(RouteMigration("GET / shadow 2.50")?.migration == .shadow(sample: 2.5))
        #expect(RouteMigration("GET / percent 3")?.migration == .percent(3, by: .request))
        #expect(RouteMigration("GET / new verify=1")?.migration == .new(verify: 1))
        #expect(RouteMigration("GET / shadow 0.5 control=0")?.migration == .shadow(sample: 0.5, control: 0))
    }

    @Test(arguments: [
        "", "GET", "GET /", "GET users old", "G?T / old", "GET / blocking", "GET / old 5", "GET / new 5", "GET / percent",
        "GET / percent 101", "GET / percent -1", "GET / percent 1e1", "GET / percent 1.2345", "GET / percent 1. ",
        "GET / percent .5",
        "GET / percent 5 by=", "GET / percent 5 by=header:", "GET / percent 5 by=header:a/b", "GET / percent 5 by=user",
        "GET / percent 5 control=5", "GET / shadow 5 5", "GET / shadow 5 control=101", "GET / shadow 5 control=1 control=2",
        "GET / shadow 5 verify=1", "GET / new by=peer",
    ])
    func `anything else is refused`(text: String) { #expect(RouteMigration(text) == nil) }

    /// These values must never change: see `MigrationBucket`.
    @Test
    func `the bucket of a key is frozen`() {
        #expect(MigrationBucket(route: "GET /users/{id}").bucket(of: "acme".utf8) == 87398)
        #expect(MigrationBucket(route: "GET /users/{id}").bucket(of: "".utf8) == 35648)
        #expect(MigrationBucket(route: "POST /orders").bucket(of: "127.0.0.1".utf8) == 3718)
        #expect(MigrationBucket(route: "GET /").bucket(of: "a".utf8) == 10961)
    }

    @Test
    func `a bucket comes from the key of the request`() throws {
        func bucket(_ key: Migration.Key, _ headers: HTTPFields = [:], peer: String = "127.0.0.1:80", id: String = "x") throws
            -> UInt32?
        {
            let request = Request(path: "/", headers: headers, remoteAddress: peer)
            let peer = Peer(.ip(try #require(SocketEndpoint(peer))), draining: Draining(Event()))
            return MigrationBucket(route: "GET /").bucket(of: request.head, by: key, peer, try #require(RequestID(id)))
        }
        #expect(try bucket(.request, id: "a") == 10961)
        #expect(try bucket(.header(.init("X-Tenant")!), [.init("X-Tenant")!: "a"]) == 10961)
        #expect(try bucket(.header(.init("X-Tenant")!)) == nil)
        #expect(try bucket(.cookie("s"), [.cookie: "t=b; s=a"]) == 10961)
        #expect(try bucket(.cookie("s"), [.cookie: "t=b"]) == nil)
        #expect(try bucket(.peer, peer: "127.0.0.1:80") == bucket(.peer, peer: "127.0.0.1:81"))
        #expect(try bucket(.peer, peer: "127.0.0.1:80") != bucket(.peer, peer: "127.0.0.2:80"))
        #expect(try bucket(.peer, peer: "[2001:db8::1]:80") == bucket(.peer, peer: "[2001:db8::2]:80"))
        #expect(try bucket(.peer, peer: "[2001:db8::1]:80") != bucket(.peer, peer: "[2001:db8:0:1::1]:80"))
    }
}
