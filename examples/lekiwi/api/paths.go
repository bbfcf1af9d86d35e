package api

// Paths of the legacy system. The discovery-service has them too.
const (
	PathHealth      = "/health"
	PathMetrics     = "/metrics"
	PathRobots      = "/robots"       // GET: Robots; /robots/{id}: GET a robot.Record, DELETE
	PathRobotCount  = "/robots/count" // GET: Count
	PathDeployments = "/deployments"  // GET: Deployments
	PathRobotStatus = "/robot/status" // POST a Heartbeat: Accepted
	PathImport      = "/import"       // POST Robots: Imported
	PathWebSocket   = "/ws"
)

// Paths of the new system. PathHealth and PathMetrics are on each service.
const (
	// discovery-service
	PathV2Health     = "/api/v2/health"
	PathV2Metrics    = "/api/v2/metrics"
	PathV2Robots     = "/api/v2/robots"     // GET ?limit=&after=: V2Robots; /{id}: GET a V2Robot
	PathV2Discover   = "/api/v2/discover"   // /{ip}: GET asks a robot, POST takes it on as well: Discovered
	PathV2Heartbeats = "/api/v2/heartbeats" // POST Heartbeats, at most MaxBatch: Appended

	// state-manager
	PathEvents     = "/api/v2/events"  // POST Events, at most MaxBatch: Appended
	PathChanges    = "/api/v2/changes" // GET ?after=&limit=&wait=: Changes
	PathSyncStatus = "/api/sync/status"
	PathRobotCheck = "/api/validation/robot-count"

	// teleoperation-service
	PathSessions = "/api/v2/sessions" // GET ?robot_id=&active=, POST SessionStart; /{id}: GET, DELETE; /{id}/quality: POST Quality
)

// MaxBatch is how many heartbeats or events one request may hold.
const MaxBatch = 5000

// HeaderRobotID names the robot that a request is about. The edge goes by it.
const HeaderRobotID = "X-Robot-Id"
