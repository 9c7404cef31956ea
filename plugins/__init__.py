"""What Gridcast adds to Airflow's own pages."""
