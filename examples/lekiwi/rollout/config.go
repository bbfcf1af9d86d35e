package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Names of the flags.
const (
	EventDrivenDiscovery      = "event_driven_discovery"
	PersistentState           = "persistent_state"
	WebsocketMonitoring       = "websocket_monitoring"
	TeleoperationOptimization = "teleoperation_optimization"
)

// Flags lists their names.
func Flags() []string {
	return []string{EventDrivenDiscovery, PersistentState, WebsocketMonitoring, TeleoperationOptimization}
}

// Config is what the file says, as far as services go by it. All is off in the
// zero Config.
type Config struct {
	// Phase is as it is written: 1, or canary_10.
	Phase string
	// Canary is the share that the new system is meant to have, in percent.
	Canary float64
	// On are the flags that are on.
	On map[string]bool
}

// Flag says whether one is on.
func (c Config) Flag(name string) bool { return c.On[name] }

// Parse reads a file's content. A flag that nobody knows is an error: somebody
// meant another.
func Parse(src []byte) (Config, error) {
	var file struct {
		Migration struct {
			Phase yaml.Node `yaml:"phase"`
		} `yaml:"migration"`
		Rollout struct {
			Canary float64         `yaml:"canary_percentage"`
			Flags  map[string]bool `yaml:"feature_flags"`
		} `yaml:"rollout"`
	}
	if err := yaml.Unmarshal(src, &file); err != nil {
		return Config{}, fmt.Errorf("it is no configuration: %w", err)
	}
	if file.Migration.Phase.Value == "" {
		return Config{}, fmt.Errorf("migration.phase is missing")
	}
	if c := file.Rollout.Canary; !(c >= 0 && c <= 100) {
		return Config{}, fmt.Errorf("rollout.canary_percentage is %v: want 0 to 100", c)
	}
	for _, name := range slices.Sorted(maps.Keys(file.Rollout.Flags)) {
		if !slices.Contains(Flags(), name) {
			return Config{}, fmt.Errorf("rollout.feature_flags.%s is no flag: there are %s", name, strings.Join(Flags(), ", "))
		}
	}
	return Config{Phase: file.Migration.Phase.Value, Canary: file.Rollout.Canary, On: file.Rollout.Flags}, nil
}
