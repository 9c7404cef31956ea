# One image for every Gridcast process of docker-compose.airflow.yml.
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 gridcast

WORKDIR /opt/gridcast
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY dags dags
COPY data data
COPY forecasting forecasting
COPY include include
COPY plugins plugins
COPY portal portal
COPY stack stack
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && install -d -o gridcast -g gridcast /var/lib/gridcast /var/lib/gridcast/artifacts /var/lib/gridcast/reports \
       /var/lib/gridcast/airflow /var/lib/gridcast/secrets

USER gridcast
ENV PYTHONPATH=/opt/gridcast PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 AIRFLOW_HOME=/var/lib/gridcast/airflow
ENTRYPOINT ["tini", "--"]
