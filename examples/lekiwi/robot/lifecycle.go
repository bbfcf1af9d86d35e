package robot

// Lifecycle is where a robot stands between being seen for the first time and
// being given up.
type Lifecycle string

// All of them.
const (
	// Discovered: something was heard of it.
	Discovered Lifecycle = "discovered"
	// Provisioning: discovery has taken it on and asks it who it is.
	Provisioning Lifecycle = "provisioning"
	// Ready: it has answered, or has been heard of since.
	Ready Lifecycle = "ready"
	// Active: it works.
	Active Lifecycle = "active"
	// Maintenance: it is being updated.
	Maintenance Lifecycle = "maintenance"
	// Gone: it has stopped, or is silent.
	Gone Lifecycle = "offline"
	// Failed: it says so, or did not answer too often.
	Failed Lifecycle = "failed"
)

// How many failures in a row make a robot a failed one.
const (
	failuresWhileActive = 3
	failuresWhileGone   = 5
)

// heard is where a robot stands after a report. One that is being provisioned
// is brought on by what it says, so that a robot that cannot be asked, behind
// a firewall, does not stay there.
func (l Lifecycle) heard(said Reported) Lifecycle {
	switch l {
	case "":
		return Discovered
	case Discovered:
		return Discovered // until discovery takes it on
	case Provisioning:
		if said == Running {
			return Ready
		}
		return Provisioning
	}
	switch said {
	case Running:
		return Active
	case Updating:
		return Maintenance
	case Stopped:
		return Gone
	case ReportedFailed:
		return Failed
	}
	return l // it does not know itself
}

// unanswered is where a robot stands when it has failed to answer for the nth
// time in a row.
func (l Lifecycle) unanswered(failures int) Lifecycle {
	if l == Active && failures >= failuresWhileActive || l == Gone && failures >= failuresWhileGone {
		return Failed
	}
	return l
}

// silent is where a robot stands that was not heard of for Silence.
func (l Lifecycle) silent() Lifecycle {
	switch l {
	case Ready, Active, Maintenance:
		return Gone
	}
	return l
}
