"""What Moose must see: every resource, nothing else."""

import app.apis.get_erasures
import app.apis.get_group_hr_by_second
import app.apis.get_hr
import app.apis.get_latest_user_heart_rates
import app.apis.get_leaderboard
import app.apis.get_people
import app.apis.get_person_records
import app.apis.get_session_summary
import app.apis.get_sessions
import app.apis.get_strap_assignments
import app.apis.get_user_beats
import app.apis.get_user_heart_rate_history
import app.apis.get_user_heart_rate_stats
import app.apis.get_user_zones
import app.blocks.aggregated_per_second
import app.blocks.latest_by_person
import app.datamodels.dead_letter_decision
import app.functions.bluetooth_to_unified
import app.functions.check_person_profile
import app.functions.check_strap_assignment
import app.functions.check_training_session
import app.functions.erase_person
import app.functions.processed_to_unified
import app.functions.raw_to_processed
import app.moose_api_runner
import app.moose_runner  # noqa: F401 (imported to be declared)
